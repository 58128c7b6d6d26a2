"""The generated definitions and reference: up to date, structural, bounded, and immutable where promised."""

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gopd_api import crd
from gopd_api.__main__ import main
from gopd_api.base import Model
from gopd_api.load import load_file
from gopd_api.objects import DistillationJob, EvalJob

KINDS = ["DistillationJob", "EvalJob"]
NOT_STRUCTURAL = {"$ref", "anyOf", "oneOf", "allOf", "not", "title", "const", "patternProperties", "propertyNames"}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below `schema`."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from nodes(schema[inner], f"{path}[]")


def types(model: type[Model]) -> Iterator[type[Model]]:
    """Every type that hangs below a model's class tree."""
    for below in model.__subclasses__():
        yield below
        yield from types(below)


def test_generated_files_are_up_to_date(root: Path) -> None:
    assert main(["generate", "--check", "--root", str(root)]) == 0


def test_check_names_the_file_that_differs_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "crds").mkdir()
    assert main(["generate", "--root", str(tmp_path)]) == 0
    stale = tmp_path / "crds" / "evaljobs.gopd.io.yaml"
    stale.write_text("stale")
    command = [sys.executable, "-m", "gopd_api", "generate", "--check", "--root", str(tmp_path)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert "crds/evaljobs.gopd.io.yaml differs" in outcome.stderr
    assert "distillationjobs" not in outcome.stderr
    assert stale.read_text() == "stale"


def test_a_definition_is_small_enough_for_kubectl_apply(root: Path) -> None:
    assert all(path.stat().st_size < 256 * 1024 for path in (root / "crds").glob("*.yaml"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_structural(kind: str, api_server: Any) -> None:
    for path, node in nodes(api_server.schemas[kind]):
        assert not NOT_STRUCTURAL & set(node), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert node.get("default", "") is not None, path
        if node.get("type") == "array":
            assert "items" in node, path
        if node.get("type") == "object" and path != ".metadata":
            assert "properties" in node or "additionalProperties" in node, path


@pytest.mark.parametrize("kind", KINDS)
def test_every_list_map_and_text_is_bounded(kind: str, api_server: Any) -> None:
    for path, node in nodes(api_server.schemas[kind]["properties"]["spec"], "spec"):
        match node.get("type"):
            case "array":
                assert "maxItems" in node, path
            case "object" if "additionalProperties" in node:
                assert "maxProperties" in node, path
            case "string":
                assert "maxLength" in node or "enum" in node, path


def test_a_stored_object_shows_every_default(api_server: Any, root: Path) -> None:
    (document,) = yaml.safe_load_all((root / "examples" / "exopd.yaml").read_text())
    (job,) = load_file(root / "examples" / "exopd.yaml")
    stored = api_server.defaulted(document)["spec"]
    assert stored == job.spec.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert stored["lifecycle"]["backoff"] == {"initialSeconds": 30, "maxSeconds": 1800}


def test_every_rule_has_a_cel_form_or_says_why_not() -> None:
    rules = {(model.__name__, rule.fault): rule for model in types(Model) for rule in model.rules}
    assert len(rules) > 25
    assert [key for key, rule in rules.items() if bool(rule.cel) == bool(rule.why_no_cel)] == []


def test_messages_of_the_api_server_have_no_open_places(api_server: Any) -> None:
    for kind in KINDS:
        for _, node in nodes(api_server.schemas[kind]):
            for rule in node.get("x-kubernetes-validations", []):
                assert "{" not in rule["message"]
                assert "; " in rule["message"]


@pytest.mark.parametrize("example", ["reward-scale-sweep", "two-teachers", "evaljob"])
def test_nothing_of_a_spec_changes_but_suspend_and_retention(example: str, api_server: Any, root: Path) -> None:
    (document,) = yaml.safe_load_all((root / "examples" / f"{example}.yaml").read_text())

    def refusals(**lifecycle: Any) -> list[str]:
        changed = copy.deepcopy(document)
        changed["spec"]["lifecycle"] = lifecycle
        found: list[str] = api_server.update(document, changed)
        return found

    assert refusals() == []
    assert refusals(suspend=True, ttlSecondsAfterFinished=60) == []
    assert len(refusals(maxAttempts=9)) == 1
    assert len(refusals(activeDeadlineSeconds=600)) == 1
    for part in api_server.schemas[document["kind"]]["properties"]["spec"]["properties"]:
        if part != "lifecycle":
            changed = api_server.defaulted(document)
            assert any("cannot be changed" in line for line in api_server.update(document, _changed(changed, part))), (
                part
            )


def _changed(document: dict[str, Any], part: str) -> dict[str, Any]:
    """The object with another valid value in one part of its spec."""
    spec = document["spec"]
    match part:
        case "teachers" | "subjects" | "tasks":
            spec[part][0]["name"] = "other"
            spec.pop("baseline", None)
        case "student":
            spec[part]["model"] = "models/other"
        case "objective":
            spec[part]["rewardScale"] = 1.5
        case "data":
            spec[part]["promptField"] = "question"
        case "sampling":
            spec[part]["maxResponseTokens" if document["kind"] == "EvalJob" else "samplesPerPrompt"] = 16
        case "optimization" | "checkpoints" | "evaluation" | "compute" | "storage" | "tracking" | "scheduling":
            values = {"optimization": "seed", "checkpoints": "keep", "evaluation": "teachers", "compute": "cpuThreads"}
            texts = {"storage": "mountPath", "tracking": "experiment", "scheduling": "queue"}
            spec[part] |= {values[part]: 7 if part != "evaluation" else False} if part in values else {texts[part]: "x"}
        case "overrides":
            spec[part]["actor_rollout_ref.rollout.max_num_seqs"] = 8
        case "sweep":
            spec[part] = (
                {"seed": [8], "rewardScale": [], "maxParallel": 1} if part not in spec else {**spec[part], "seed": [8]}
            )
        case "baseline":
            spec[part] = spec["subjects"][0]["name"]
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_spec_says_what_it_means(kind: str, api_server: Any) -> None:
    for path, node in nodes(api_server.schemas[kind]["properties"]["spec"], "spec"):
        for name, field in node.get("properties", {}).items():
            assert field.get("description") or field.get("items", {}).get("description"), f"{path}.{name}"


def test_the_reference_names_every_rule_also_those_that_the_api_server_cannot_hold(root: Path) -> None:
    page = (root / "docs" / "api.md").read_text()
    messages = {rule.general_message() for model in types(Model) for rule in model.rules}
    assert {message for message in messages if message not in page} == set()


def test_kubectl_shows_what_a_job_is_doing() -> None:
    (definition, _) = (yaml.safe_load(text) for text in crd.files().values())
    columns = [column["name"] for column in definition["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns == ["Phase", "Step", "Best", "GPUs", "Queue", "Run", "Age"]
    assert definition["spec"]["names"]["shortNames"] == ["dj"]
    assert definition["spec"]["names"]["categories"] == ["all", "gopd"]


@pytest.mark.parametrize("model", [DistillationJob, EvalJob])
def test_printer_columns_read_fields_that_exist(model: type[Model], api_server: Any) -> None:
    schema = api_server.schemas[model.__name__]
    for _, _, path, _ in crd.COLUMNS[model.__name__]:
        node = schema
        for part in path.strip(".").split("."):
            if part == "metadata":
                break
            node = node["properties"][part]
