"""The Dockerfiles and their pins, as they are written: one set of versions, users without power, nothing secret.

What they make is run in `tests/e2e/cluster/test_images.py`; hadolint looks at them in `make check`.
"""

import re
import shlex
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml

from gopd_operator.core.cluster.manifests import USER

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = {"operator": 65532, "trainer_image": USER, "eval_image": USER}
"""Each image's folder, and who its programs run as."""
ENGINES = re.search(r"^ENGINES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Versions that a list of requirements names."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", text, flags=re.MULTILINE))


def instructions(folder: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, a line each."""
    text = (ROOT / folder / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("image", ["operator", "grader"])
def test_an_image_without_an_engine_has_what_the_tests_ran_with(image: str) -> None:
    assert pins(image).items() <= pins("dev").items()


def test_trainer_and_evaluation_have_one_set_of_versions() -> None:
    assert pins("eval").items() <= (pins("dev") | pins("trainer")).items()


def test_the_engines_images_differ_from_what_the_tests_ran_with_only_where_the_engine_decides() -> None:
    assert ENGINES is not None
    tested, trainer = pins("dev"), pins("trainer")
    different = {name for name in tested.keys() & trainer.keys() if tested[name] != trainer[name]}
    assert {name for name in different if not re.fullmatch(ENGINES[1], name)} == set()
    assert {"torch", "transformers"} <= different
    assert "ray" not in different


def test_the_trainers_engine_is_the_one_that_verl_names() -> None:
    named = [re.fullmatch(r"([\w.-]+)==([^;]+); extra == \"vllm\"", need) for need in requires("verl") or []]
    wanted = {found[1].lower(): found[2].strip() for found in named if found}
    assert {"torch", "vllm", "transformers"} <= set(wanted)
    assert wanted.items() <= pins("trainer").items()


@pytest.mark.parametrize(("folder", "user"), DOCKERFILES.items())
def test_a_container_starts_as_a_numbered_user_without_a_shell(folder: str, user: int) -> None:
    found = instructions(folder)
    assert [rest for word, rest in found if word == "USER"][-1] == f"{user}:{user}"
    (entrypoint,) = [rest for word, rest in found if word == "ENTRYPOINT"]
    assert yaml.safe_load(entrypoint)[0] in ("gopd-operator", "python")
    assert not [word for word, _ in found if word in ("ADD", "CMD", "EXPOSE", "VOLUME", "HEALTHCHECK")]


def test_the_charts_user_is_the_operators() -> None:
    values = yaml.safe_load((ROOT / "charts" / "gopd" / "values.yaml").read_text())
    assert values["runAsUser"] == DOCKERFILES["operator"]


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_every_stage_stands_on_the_one_base_that_may_be_chosen(folder: str) -> None:
    found = instructions(folder)
    assert found[0] == ("ARG", "BASE_IMAGE=python:3.11-slim-bookworm")
    stages = [rest.split(" AS ")[-1] for word, rest in found if word == "FROM" and " AS " in rest]
    bases = {rest.split()[0] for word, rest in found if word == "FROM"}
    assert bases <= {"${BASE_IMAGE}", *stages}


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_what_is_installed_is_pinned_with_hashes_or_our_own(folder: str) -> None:
    installs = [
        part
        for word, rest in instructions(folder)
        if word == "RUN"
        for part in rest.split("&&")
        if re.search(r"\bpip install\b", part)
    ]
    assert len(installs) >= 3
    for part in installs:
        words = shlex.split(part)
        assert "--require-hashes" in words or ("--no-deps" in words and words[-1].startswith("./")), part


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_labels_say_what_it_is(folder: str) -> None:
    found = instructions(folder)
    labels = " ".join(rest for word, rest in found if word == "LABEL")
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert found[1] == ("ARG", f"VERSION={project['version']}")
    (labelled,) = [at for at, (word, rest) in enumerate(found) if 'image.version="${VERSION}"' in rest]
    stage = max(at for at, (word, _) in enumerate(found[:labelled]) if word == "FROM")
    assert ("ARG", "VERSION") in found[stage:labelled], "a stage that does not take the argument has an empty label"
    for name in ("title", "description", "licenses", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_only_what_is_listed_gets_into_a_build(folder: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        name
        for word, rest in instructions(folder)
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    }
    for name in copied:
        wanted = {f"{name}/pyproject.toml", f"{name}/src"} if "/" not in name else {"requirements/*.txt"}
        assert wanted <= let_in, name


def test_the_programs_of_a_login_shell_do_not_replace_the_interpreter() -> None:
    """The environment stands on python3.11: a program of that name that starts the environment would start itself."""
    replaced = [re.findall(r"for program in ([^;]+);", rest) for word, rest in instructions("trainer_image")]
    assert [names.split() for found in replaced for names in found] == [["python", "python3", "ray"]]
    made = [rest for word, rest in instructions("trainer_image") if word == "RUN" and "uv venv" in rest]
    assert ["--python python3.11 /opt/venv" in rest for rest in made] == [True]
