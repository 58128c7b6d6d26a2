"""The pods of the chart: as little power as they need, and settings that the operator reads as they are written."""

import hashlib
import json
import re
from typing import Any

import pytest
import yaml
from tests.charts.rendering import CHART, Manifest, Values, of_kind, one, render, run, settings_text

from gopd_operator.core.settings import OperatorSettings

DIGEST = f"sha256:{'a' * 64}"
GRADER: Values = {"settings": {"images": {"grading": "gopd-grader:0.1.0"}}}
FROM_ELSEWHERE = {"namespaces", "trackingUri", "trackingSecret"}
"""Settings that follow from other values than those below `settings`."""
PLACEMENT: Values = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
}


def pod(objects: list[Manifest], name: str = "gopd-operator") -> Manifest:
    spec: Manifest = one(objects, "Deployment", name)["spec"]["template"]["spec"]
    return spec


def settings(objects: list[Manifest]) -> OperatorSettings:
    return OperatorSettings.model_validate(yaml.safe_load(settings_text(objects)))


def test_helm_lint_has_nothing_to_say() -> None:
    done = run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["gopd-operator", "gopd-mlflow"])
def test_a_pod_keeps_to_the_restricted_standard(objects: list[Manifest], name: str) -> None:
    spec = pod(objects, name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert {next(key for key in volume if key != "name") for volume in spec["volumes"]} <= {
        "configMap",
        "emptyDir",
        "persistentVolumeClaim",
    }
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_only_the_operator_has_a_token(objects: list[Manifest]) -> None:
    assert pod(objects)["automountServiceAccountToken"] is True
    assert pod(objects, "gopd-mlflow")["automountServiceAccountToken"] is False
    assert one(objects, "ServiceAccount", "gopd-operator")["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", ["gopd-operator", "gopd-mlflow"])
def test_there_is_one_pod_at_a_time(objects: list[Manifest], name: str) -> None:
    spec = one(objects, "Deployment", name)["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_probes_ask_the_port_of_the_settings() -> None:
    objects = render({"settings": {"port": 9000}})
    (container,) = pod(objects)["containers"]
    assert {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert container["ports"] == [{"name": "http", "containerPort": 9000}]
    assert one(objects, "Service", "gopd-operator")["spec"]["ports"][0]["port"] == 9000
    assert settings(objects).port == 9000


def test_the_settings_of_the_chart_are_the_operators_own_defaults(objects: list[Manifest]) -> None:
    found = settings(objects)
    assert found.tracking_uri == "http://gopd-mlflow.gopd-system.svc:5000"
    assert found.model_copy(update={"tracking_uri": None}) == OperatorSettings()


def test_every_setting_can_be_set() -> None:
    names = {field.alias for field in OperatorSettings.model_fields.values()}
    values = yaml.safe_load((CHART / "values.yaml").read_text())["settings"]
    assert set(values) == names - FROM_ELSEWHERE


def test_the_schema_bounds_a_setting_as_the_operator_does() -> None:
    ours = json.loads((CHART / "values.schema.json").read_text())
    theirs = OperatorSettings.model_json_schema(by_alias=True)
    given = bounds(ours["properties"]["settings"], ours)
    for path, wanted in bounds(theirs, theirs).items():
        if path.split(".")[0] not in FROM_ELSEWHERE:
            low, high = given[path]
            assert (max(low, wanted[0]), min(high, wanted[1])) == (low, high), path


def bounds(schema: Manifest, whole: Manifest, path: str = "") -> dict[str, tuple[int, int]]:
    """Lower and upper bound of every number below `schema`."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") == "integer":
        return {path: (schema["minimum"], schema["maximum"])}
    found: dict[str, tuple[int, int]] = {}
    for name, inner in schema.get("properties", {}).items():
        found |= bounds(inner, whole, f"{path}.{name}".removeprefix("."))
    return found


@pytest.mark.parametrize(
    ("scope", "served"),
    [
        ({}, []),
        ({"watchNamespace": ["a", "b"]}, ["a", "b"]),
        ({"singleNamespaceInstall": True}, ["gopd-system"]),
        ({"singleNamespaceInstall": True, "watchNamespace": ["a"]}, ["a"]),
    ],
)
def test_the_operator_serves_the_namespaces_of_the_scope(scope: Values, served: list[str]) -> None:
    assert settings(render(scope)).namespaces == served


def test_new_settings_are_a_new_pod(objects: list[Manifest]) -> None:
    def checksum(found: list[Manifest]) -> Any:
        return one(found, "Deployment", "gopd-operator")["spec"]["template"]["metadata"]["annotations"]

    written = settings_text(objects).removesuffix("\n")
    assert checksum(objects)["checksum/settings"] == hashlib.sha256(written.encode()).hexdigest()
    assert checksum(render({"settings": {"workers": 9}})) != checksum(objects)
    assert checksum(render({"resources": {"limits": {"memory": "1Gi"}}})) == checksum(objects)


def test_one_registry_goes_before_the_images_of_this_project() -> None:
    objects = render({"imageRegistry": "registry.example.com/ml/", "image": {"digest": DIGEST}})
    images = settings(objects).images
    assert images.trainer == "registry.example.com/ml/gopd-trainer:0.1.0"
    assert images.evaluation == "registry.example.com/ml/gopd-eval:0.1.0"
    assert images.operator == f"registry.example.com/ml/gopd-operator@{DIGEST}"
    assert pod(objects)["containers"][0]["image"] == images.operator
    assert "registry.example.com" not in pod(objects, "gopd-mlflow")["containers"][0]["image"]
    assert images.grading is None
    assert settings(render({**GRADER, "imageRegistry": "r"})).images.grading == "r/gopd-grader:0.1.0"


def test_where_a_pod_runs_is_passed_on() -> None:
    objects = render({**PLACEMENT, "priorityClassName": "high", "mlflow": {"embedded": PLACEMENT}})
    for name in ("gopd-operator", "gopd-mlflow"):
        assert {key: pod(objects, name)[key] for key in PLACEMENT} == PLACEMENT
    assert pod(objects)["priorityClassName"] == "high"


def test_the_platform_may_choose_the_user() -> None:
    assert "runAsUser" in pod(render())["securityContext"]
    assert "runAsUser" not in pod(render({"runAsUser": None}))["securityContext"]


def test_pull_secrets_reach_the_pods_that_need_them() -> None:
    objects = render({"image": {"pullSecrets": ["a"]}, "settings": {"images": {"pullSecrets": ["b"]}}})
    assert pod(objects)["imagePullSecrets"] == [{"name": "a"}]
    assert settings(objects).images.pull_secrets == ["b"]


def test_names_follow_the_release(objects: list[Manifest]) -> None:
    names = {found["metadata"]["name"] for found in render(release="two") if found["kind"] == "Deployment"}
    assert names == {"two-gopd-operator", "two-gopd-mlflow"}
    assert {found["metadata"]["name"] for found in of_kind(objects, "Deployment")} == {"gopd-operator", "gopd-mlflow"}


@pytest.mark.parametrize("page", ["README.md", "templates/NOTES.txt"])
def test_a_page_names_only_values_that_there_are(page: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    text = re.sub(r"\{\{.*?\}\}", "", (CHART / page).read_text(), flags=re.DOTALL)
    tops = "|".join(name for name, value in values.items() if isinstance(value, dict))
    named = re.findall(rf"(?<![\w./])((?:{tops})(?:\.[a-zA-Z]+)+)(?![\w/])", text)
    assert len(named) >= 3
    assert [path for path in named if not leads_somewhere(values, path)] == []


def leads_somewhere(values: Values, path: str) -> bool:
    found: Any = values
    for key in path.split("."):
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True
