"""The API server and `gopd validate` judge alike: examples, invalid examples, and two tables of cases.

The API server is asked as kubectl asks it: a server-side dry run with strict field validation.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.apiserver.specs import ACCEPTED, REFUSED, changed
from tests.cluster.api import CUSTOM_KINDS, DISTILLATION_JOBS, EVAL_JOBS, Api, ApiError, Document
from tests.cluster.control_plane import ControlPlane

from gopd_api.load import InvalidSpec, load_file, load_text, parse

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
INVALID = sorted((ROOT / "examples" / "invalid").glob("*.yaml"))
KINDS = {"DistillationJob": DISTILLATION_JOBS, "EvalJob": EVAL_JOBS}
NOT_SENT = {
    "not-yaml": "it is no YAML, so no client can send it",
    "kind-unknown": "the API server has no address for its kind; kubectl says so",
    "version-unknown": "the API server has no address for its version; kubectl says so",
}
"""Invalid examples that never reach the API server, each with the reason."""
ONLY_HERE = {
    "line-without-value": "the API server drops a field without a value and takes its default",
    "batch-not-shared-equally": "distinct references cannot be counted in CEL",
    "no-gpu-left-for-the-student": "distinct references cannot be counted in CEL",
    "teacher-pool-not-whole-nodes": "distinct references cannot be counted in CEL",
    "teacher-replica-on-two-nodes": "distinct references cannot be counted in CEL",
}
"""Invalid examples that the API server takes and only `gopd validate` and the operator refuse, each with the reason."""


@pytest.fixture
def api(control_plane: ControlPlane) -> Api:
    return control_plane.api


def create(api: Api, document: Document | str, kind: str) -> Document:
    """A server-side dry run, from JSON or from YAML as it was written. Raises ApiError."""
    media = "application/yaml" if isinstance(document, str) else "application/json"
    return api.request(
        "POST", KINDS[kind].path("default"), document, media=media, dryRun="All", fieldValidation="Strict"
    )


def server_accepts(api: Api, document: Document | str, kind: str) -> bool:
    try:
        create(api, document, kind)
    except ApiError as error:
        if error.status not in (400, 422):
            raise
        return False
    return True


def validate_accepts(document: Document | str) -> bool:
    """What `gopd validate` says."""
    try:
        load_text(document) if isinstance(document, str) else parse(document)
    except InvalidSpec:
        return False
    return True


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_both_accept_an_example(api: Api, path: Path) -> None:
    text = path.read_text()
    assert validate_accepts(text)
    assert server_accepts(api, text, yaml.safe_load(text)["kind"])


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_both_refuse_an_invalid_example(api: Api, path: Path) -> None:
    text = path.read_text()
    assert not validate_accepts(text)
    if path.stem in NOT_SENT:
        pytest.skip(NOT_SENT[path.stem])
    kind = "EvalJob" if "kind: EvalJob" in text else "DistillationJob"
    assert server_accepts(api, text, kind) == (path.stem in ONLY_HERE)


@pytest.mark.parametrize("name", ["kind-unknown", "version-unknown"])
def test_kubectl_refuses_what_has_no_address(control_plane: ControlPlane, name: str) -> None:
    path = ROOT / "examples" / "invalid" / f"{name}.yaml"
    ended = control_plane.kubectl("apply", "--dry-run=server", "-f", path, check=False)
    assert ended.returncode
    assert "no matches for kind" in ended.stderr


@pytest.mark.parametrize("name", ACCEPTED)
def test_both_accept(api: Api, name: str) -> None:
    kind, change = ACCEPTED[name]
    document = changed(kind, change)
    parse(document)
    create(api, document, kind)


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(api: Api, name: str) -> None:
    kind, change = REFUSED[name]
    document = changed(kind, change)
    verdicts = {"gopd validate": validate_accepts(document), "API server": server_accepts(api, document, kind)}
    assert verdicts == {"gopd validate": False, "API server": False}


def test_there_are_enough_cases() -> None:
    assert len(EXAMPLES) + len(ACCEPTED) >= 30
    assert len(INVALID) - len(NOT_SENT) - len(ONLY_HERE) + len(REFUSED) >= 100
    names = {path.stem for path in INVALID}
    assert set(NOT_SENT) | set(ONLY_HERE) <= names


def test_a_refusal_of_the_api_server_says_field_fault_and_remedy(api: Api) -> None:
    text = (ROOT / "examples" / "invalid" / "steps-and-epochs.yaml").read_text()
    with pytest.raises(ApiError) as refusal:
        create(api, text, "DistillationJob")
    assert "spec.optimization" in refusal.value.message
    assert "epochs: is set together with steps; keep the one that is meant" in refusal.value.message


def test_a_dry_run_shows_every_default(api: Api) -> None:
    path = ROOT / "examples" / "exopd.yaml"
    shown = create(api, path.read_text(), "DistillationJob")["spec"]
    (job,) = load_file(path)
    assert shown == job.spec.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert shown["lifecycle"]["backoff"] == {"initialSeconds": 30, "maxSeconds": 1800}


@pytest.mark.parametrize("name", ["distillationjobs.gopd.io", "evaljobs.gopd.io"])
def test_a_definition_can_be_applied_by_a_plain_kubectl(control_plane: ControlPlane, name: str) -> None:
    path = ROOT / "crds" / f"{name}.yaml"
    assert path.stat().st_size < 256 * 1024
    control_plane.kubectl("apply", "-f", path)
    stored = control_plane.api.get(CUSTOM_KINDS, "", name)
    kept = stored["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert len(kept) < 256 * 1024
    assert not [one for one in stored["status"]["conditions"] if one["type"] == "NonStructuralSchema"]


LIFECYCLE: list[tuple[dict[str, Any], bool]] = [
    ({"suspend": True}, True),
    ({"ttlSecondsAfterFinished": 60}, True),
    ({"suspend": True, "ttlSecondsAfterFinished": 60}, True),
    ({"maxAttempts": 9}, False),
    ({"activeDeadlineSeconds": 600}, False),
    ({"stallAfterSeconds": 60}, False),
    ({"backoff": {"initialSeconds": 1}}, False),
]


@pytest.mark.parametrize(("lifecycle", "allowed"), LIFECYCLE, ids=str)
def test_of_the_lifecycle_only_suspension_and_retention_change(
    api: Api, namespace: str, lifecycle: dict[str, Any], allowed: bool
) -> None:
    api.create(DISTILLATION_JOBS, namespace, changed("DistillationJob", {}))
    try:
        api.merge(DISTILLATION_JOBS, namespace, "case", {"spec": {"lifecycle": lifecycle}})
        accepted = True
    except ApiError as error:
        assert "cannot be changed; create another object under another name" in error.message
        accepted = False
    assert accepted == allowed


OTHER_VALUES: dict[str, tuple[str, dict[str, Any]]] = {
    "student": ("DistillationJob", {"student": {"model": "models/other"}}),
    "teachers": ("DistillationJob", {"teachers": [{"name": "other", "model": "models/other"}]}),
    "objective": ("DistillationJob", {"objective": {"rewardScale": 1.5}}),
    "data": ("DistillationJob", {"data": {"promptField": "question"}}),
    "sampling": ("DistillationJob", {"sampling": {"samplesPerPrompt": 16}}),
    "optimization": ("DistillationJob", {"optimization": {"seed": 7}}),
    "checkpoints": ("DistillationJob", {"checkpoints": {"keep": 7}}),
    "evaluation": ("DistillationJob", {"evaluation": {"teachers": False}}),
    "compute": ("DistillationJob", {"compute": {"cpuThreads": 7}}),
    "scheduling": ("DistillationJob", {"scheduling": {"queue": "other"}}),
    "storage": ("DistillationJob", {"storage": {"claim": "other"}}),
    "tracking": ("DistillationJob", {"tracking": {"experiment": "other"}}),
    "overrides": ("DistillationJob", {"overrides": {"actor_rollout_ref.rollout.max_num_seqs": 8}}),
    "sweep": ("DistillationJob", {"sweep": {"seed": [1, 2]}}),
    "subjects": ("EvalJob", {"subjects": [{"name": "other", "model": "models/other"}]}),
    "baseline": ("EvalJob", {"baseline": "start"}),
    "tasks": ("EvalJob", {"tasks": [{"benchmark": "math", "data": "data/other.jsonl"}]}),
}


@pytest.mark.parametrize("part", OTHER_VALUES)
def test_no_other_part_of_a_spec_changes(api: Api, namespace: str, part: str) -> None:
    kind, patch = OTHER_VALUES[part]
    api.create(KINDS[kind], namespace, changed(kind, {}))
    with pytest.raises(ApiError) as refusal:
        api.merge(KINDS[kind], namespace, "case", {"spec": copy.deepcopy(patch)})
    assert refusal.value.status == 422
    assert f"{part}: cannot be changed; create another object under another name" in refusal.value.message


def test_every_part_of_a_distillation_is_tried(api: Api) -> None:
    definition = api.get(CUSTOM_KINDS, "", "distillationjobs.gopd.io")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = set(schema["properties"]["spec"]["properties"]) - {"lifecycle"}
    assert parts <= set(OTHER_VALUES)
