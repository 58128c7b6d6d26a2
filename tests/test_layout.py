"""The house rules that no linter knows: sizes, names, what a core may import, pins, and what no file mentions.

Layers between packages are held by import-linter (`pyproject.toml`), style by ruff.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("crds", "tracking", "operator", "trainer_image", "eval_image")
CORES = {
    "operator/src/gopd_operator/core": {"gopd_api", "gopd_operator", "pydantic"},
    "trainer_image/src/gopd_trainer/core": {"gopd_api", "gopd_trainer", "torch"},
    "eval_image/src/gopd_eval/core": {"gopd_api", "gopd_eval", "numpy", "scipy"},
}
"""The cores and what each may import besides the standard library."""
IMPURE = set("asyncio multiprocessing os shutil signal socket subprocess tempfile threading time".split())
"""Modules of the standard library with a clock, an environment, files or processes: none of a core's business."""
IMPURE_CALLS = set("now today utcnow open read_text read_bytes write_text write_bytes mkdir unlink".split())

MAX_LINES = 300
LONGER: dict[str, str] = {}
"""Python files that may be longer, each with the reason."""

FORBIDDEN_WORDS = {"utils", "util", "helpers", "helper", "manager", "ref"}
FORBIDDEN_PARTS = ("base_model", "lambda_vals")
FOREIGN_NAMES: dict[str, str] = {}
"""Names with a forbidden word that another project's interface prescribes, each with whose it is."""

# Written in two pieces so that this file does not hold what it looks for.
NEVER_MENTIONED = re.compile(
    r"(?<![\w.\-])/(?:wo" + r"rk|ro" + r"ot)/|py" + r"pi\.org|python" + r"hosted\.org|registry\.npm" + r"js|"
    r"proxy\.gol" + r"ang|static\.crat" + r"es\.io|deb\.debi" + r"an|repo\.mav" + r"en"
)
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".in", ".sh", ".json", ".jsonl", ".cfg", ".tpl", ""}


@cache
def repository_files() -> tuple[Path, ...]:
    """Files that are tracked or about to be: git's list less what it ignores and what was deleted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted({ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()}))


def python_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def project_table(folder: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return table


def test_python_files_are_short_enough_to_be_read_at_once() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES and name not in LONGER} == {}
    assert {name for name in LONGER if lengths.get(name, 0) <= MAX_LINES} == set(), "these need no exception any more"


def test_every_module_says_what_it_is() -> None:
    docstrings = {name_of(path): ast.get_docstring(ast.parse(path.read_text())) for path in python_files()}
    assert [name for name, text in docstrings.items() if not (text or "").strip()] == []


def test_no_folder_hides_the_standard_module_named_operator() -> None:
    hiding = re.compile(r"(tests/)?operator/(src/)?__init__\.py")
    assert [name for name in map(name_of, repository_files()) if hiding.fullmatch(name)] == []


def defined_names(tree: ast.AST) -> Iterator[str]:
    """Every name that the code itself chooses: functions, classes, arguments, variables and attributes it sets."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.alias(asname=str(name)):
                yield name


def breaks_the_vocabulary(name: str) -> bool:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    return bool(words & FORBIDDEN_WORDS) or any(part in name.lower() for part in FORBIDDEN_PARTS)


@pytest.mark.parametrize("name", ["RolloutManager", "ref_log_prob", "base_model_path", "my_utils", "REF"])
def test_the_vocabulary_refuses(name: str) -> None:
    assert breaks_the_vocabulary(name)


@pytest.mark.parametrize("name", ["reference", "refuse", "manage", "futile", "base", "model_base"])
def test_the_vocabulary_admits(name: str) -> None:
    assert not breaks_the_vocabulary(name)


def test_names_in_code_use_the_words_of_the_field() -> None:
    wrong = {
        f"{name_of(path)}: {name}"
        for path in python_files()
        for name in defined_names(ast.parse(path.read_text()))
        if breaks_the_vocabulary(name) and name not in FOREIGN_NAMES
    }
    assert wrong == set()


def test_paths_use_the_words_of_the_field() -> None:
    names = map(name_of, repository_files())
    assert [name for name in names if any(map(breaks_the_vocabulary, name.split("/")))] == []


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


@pytest.mark.parametrize("core", CORES)
def test_a_core_imports_only_what_it_may(core: str) -> None:
    allowed = (set(sys.stdlib_module_names) - IMPURE) | CORES[core]
    files = [path for path in python_files() if name_of(path).startswith(f"{core}/")]
    assert files, f"{core} holds no module"
    wrong = {
        f"{name_of(path)}: {module}"
        for path in files
        for module in imported_modules(ast.parse(path.read_text()))
        if module.split(".")[0] not in allowed
    }
    assert wrong == set()


@pytest.mark.parametrize("core", CORES)
def test_a_core_reads_no_clock_and_no_file(core: str) -> None:
    calls = [
        (f"{name_of(path)}:{node.lineno}", ast.unparse(node.func).split(".")[-1])
        for path in python_files()
        if name_of(path).startswith(f"{core}/")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    assert [call for call in calls if call[1] in IMPURE_CALLS] == []


def test_no_file_mentions_a_registry_or_a_machine() -> None:
    mentions = {
        f"{name_of(path)}: {found.group()}"
        for path in repository_files()
        if path.suffix in TEXT
        for found in NEVER_MENTIONED.finditer(path.read_text())
    }
    assert mentions == set()


def test_every_pin_has_a_hash() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).strip())
        assert entries, f"{path.name} pins nothing"
        assert [entry.split("\n")[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_every_list_of_requirements_is_compiled() -> None:
    folder = ROOT / "requirements"
    assert {path.stem for path in folder.glob("*.in")} == {path.stem for path in folder.glob("*.txt")}


def test_the_packages_have_one_version_and_one_range_of_python() -> None:
    projects = [project_table(folder) for folder in PACKAGES]
    assert {project["requires-python"] for project in projects} == {">=3.11,<3.13"}
    versions = {str(project["version"]) for project in projects}
    assert len(versions) == 1, versions
    own = {need for project in projects for need in project["dependencies"] if need.startswith("gopd-")}
    assert {need for need in own if not need.endswith(f"=={min(versions)}")} == set()


def spelled_alike(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared_needs(folder: str) -> set[str]:
    """What a package says that it needs, extras and the needs of our own packages below it included."""
    project = project_table(folder)
    lines = [
        *project["dependencies"],
        *(need for extra in project.get("optional-dependencies", {}).values() for need in extra),
    ]
    needs = {spelled_alike(re.split(r"[^\w.-]", line)[0]) for line in lines}
    below = {project_table(other)["name"]: other for other in PACKAGES}
    needs = needs.union(*(declared_needs(below[need]) for need in needs if need in below))
    return needs | {"pydantic-core"} if "pydantic" in needs else needs


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_package_declares_what_it_imports(folder: str) -> None:
    needs, providers = declared_needs(folder), packages_distributions()
    own = {path.name for path in (ROOT / folder / "src").iterdir()}
    imported = {
        module.split(".")[0]
        for path in python_files()
        if name_of(path).startswith(f"{folder}/src/")
        for module in imported_modules(ast.parse(path.read_text()))
    }
    foreign = imported - sys.stdlib_module_names - own
    assert {
        name for name in foreign if not {spelled_alike(d) for d in [name, *providers.get(name, [])]} & needs
    } == set()


def test_the_readme_shows_every_folder_of_the_top() -> None:
    readme = (ROOT / "README.md").read_text()
    folders = {path.relative_to(ROOT).parts[0] for path in repository_files() if path.parent != ROOT}
    assert {folder for folder in folders if not folder.startswith(".") and f"{folder}/" not in readme} == set()


def test_links_between_pages_lead_somewhere() -> None:
    dead = {
        f"{name_of(page)}: {target}"
        for page in repository_files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
        if not (page.parent / target).exists()
    }
    assert dead == set()


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split())
    assert phony == set(re.findall(r"^([a-z0-9-]+):.*## \S", makefile, flags=re.MULTILINE))


def test_ci_runs_the_checks_and_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100, ".ci/run cannot be executed"
    assert {"make check", "make test"} <= set(re.findall(r"make [a-z-]+", script.read_text()))
