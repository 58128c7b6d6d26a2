"""Every file of examples/ is accepted, and every file of examples/invalid/ gets exactly the message that it states."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gopd_api.load import InvalidSpec, load_file

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
INVALID = sorted((ROOT / "examples" / "invalid").glob("*.yaml"))
CLIENT_SIDE = {
    "not-yaml": "no client gets it to the API server",
    "key-twice": "kubectl refuses it; the API server's own reader of YAML sees one key only",
    "line-without-value": "the API server takes the default for it",
    "version-unknown": "the API server has no address for it",
    "batch-not-shared-equally": "distinct references cannot be counted in CEL",
    "no-gpu-left-for-the-student": "distinct references cannot be counted in CEL",
    "teacher-pool-not-whole-nodes": "distinct references cannot be counted in CEL",
    "teacher-replica-on-two-nodes": "distinct references cannot be counted in CEL",
}
"""What the API server cannot refuse, with the reason: the operator does, and `gopd validate`."""


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def messages(path: Path) -> list[str]:
    with pytest.raises(InvalidSpec) as refusal:
        load_file(path)
    return [str(fault) for fault in refusal.value.faults]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted(path: Path, api_server: Any) -> None:
    assert load_file(path)
    assert [api_server.create(document) for document in documents(path)] == [[]]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_does_what_it_needs_and_how_to_run_it(path: Path) -> None:
    comment = [line for line in path.read_text().split("apiVersion")[0].splitlines() if line.startswith("# ")]
    assert 2 <= len(comment) <= 7
    assert any(line.startswith("# Needs: ") for line in comment)
    assert any(line.startswith("# Run: ") for line in comment)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_that_starts_from_made_models_names_a_script_that_is_there(path: Path) -> None:
    made_by = load_file(path)[0].metadata.annotations.get("gopd.io/made-by")
    if made_by:
        module = made_by.removeprefix("python -m ")
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_example_gets_exactly_its_message(path: Path) -> None:
    expected = path.read_text().splitlines()[0].removeprefix("# expect: ")
    assert messages(path) == [expected]


@pytest.mark.parametrize("path", [p for p in INVALID if p.stem not in CLIENT_SIDE], ids=lambda path: path.stem)
def test_an_invalid_example_is_refused_by_the_api_server_too(path: Path, api_server: Any) -> None:
    (document,) = documents(path)
    assert api_server.create(document)


@pytest.mark.parametrize("name", [name for name in CLIENT_SIDE if name not in ("not-yaml", "version-unknown")])
def test_no_more_is_left_to_the_client_than_must_be(name: str, api_server: Any) -> None:
    (document,) = documents(ROOT / "examples" / "invalid" / f"{name}.yaml")
    document["spec"] = {key: value for key, value in document["spec"].items() if value is not None}
    assert api_server.create(document) == []


def test_the_page_of_traps_names_examples_and_tests_that_are_there() -> None:
    named = re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`|(tests/[a-z_/]+\.py)", (ROOT / "docs" / "traps.md").read_text())
    examples, tests = ({name for name in names if name} for names in zip(*named, strict=True))
    assert len(examples) > 30
    assert examples <= {path.stem for path in INVALID}
    assert all((ROOT / name).is_file() for name in tests)


def test_there_are_enough_invalid_examples_and_each_has_a_message_of_its_own() -> None:
    expected = [path.read_text().splitlines()[0] for path in INVALID]
    assert len(expected) >= 30
    assert len(set(expected)) == len(expected)
    assert all(line.startswith("# expect: ") and "; " in line for line in expected)
