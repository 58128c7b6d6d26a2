"""The chart on a real API server, as a person handles it: install, upgrade, uninstall with everything kept, reinstall.

There is no kubelet: that pods are created at all, under the restricted standard, is what can be seen here.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.apiserver.operator_process import OperatorProcess
from tests.charts.rendering import CHART, Manifest, Values, granted, of_kind, operator_access
from tests.cluster import binaries
from tests.cluster.api import CONFIG_MAPS, CUSTOM_KINDS, DISTILLATION_JOBS, JOBS, NAMESPACES, PODS, RAY_JOBS, Kind
from tests.cluster.control_plane import ControlPlane

from gopd_operator.core.settings import OperatorSettings

EXAMPLE = CHART.parents[1] / "examples" / "tiny.yaml"
DEPLOYMENTS = Kind("apps", "v1", "deployments")
CLAIMS = Kind("", "v1", "persistentvolumeclaims")
POLICIES = Kind("networking.k8s.io", "v1", "networkpolicies")
CLUSTER_ROLES = Kind("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
REVIEWS = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A control plane of its own, without this project's definitions: installing them is the chart's part."""
    try:
        with ControlPlane(binaries.ray_definitions()) as running:
            yield running
    except binaries.Unavailable as error:
        pytest.skip(f"no API server on this machine: {error}")


@pytest.fixture
def home(bare: ControlPlane) -> Iterator[str]:
    """The namespace of an installation, under the restricted standard."""
    name = bare.new_namespace("gopd-system")
    bare.api.merge(NAMESPACES, "", name, {"metadata": {"labels": RESTRICTED}})
    yield name
    bare.helm("uninstall", "gopd", "-n", name, check=False)
    bare.remove(own_definitions(bare))
    bare.api.delete(NAMESPACES, "", name)


def own_definitions(plane: ControlPlane) -> list[str]:
    names = [one["metadata"]["name"] for one in plane.api.list(CUSTOM_KINDS)]
    return sorted(name for name in names if name.endswith(".gopd.io"))


def until(holds: Callable[[], object], what: str, seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def helm(plane: ControlPlane, home: str, command: str, *more: str, values: Values | None = None) -> str:
    """`helm install` or `upgrade` of the chart as gopd: what it says."""
    words = [command, "gopd", str(CHART), "-n", home, "--values", "-", *more]
    return plane.helm(*words, stdin=json.dumps(values or {})).stdout


def settings(plane: ControlPlane, home: str) -> dict[str, Any]:
    return dict(yaml.safe_load(plane.api.get(CONFIG_MAPS, home, "gopd-operator")["data"]["settings.yaml"]))


def test_it_is_installed_upgraded_uninstalled_and_installed_again(bare: ControlPlane, home: str) -> None:
    said = helm(bare, home, "install", values={"watchNamespace": [home], "settings": {"workers": 3}})
    assert f"kubectl -n {home} rollout status deployment/gopd-operator" in said
    assert own_definitions(bare) == ["distillationjobs.gopd.io", "evaljobs.gopd.io"]
    until(lambda: all(map(bare.established, own_definitions(bare))), "the definitions are served")
    bare.kubectl("apply", "-n", home, "-f", EXAMPLE)
    before = job(bare, home)

    helm(bare, home, "upgrade", "--reset-then-reuse-values", values={"settings": {"workers": 4}})
    assert settings(bare, home)["workers"] == 4
    assert settings(bare, home)["namespaces"] == [home], "a value of the installation before was lost"

    bare.helm("uninstall", "gopd", "-n", home)
    assert bare.api.find(DEPLOYMENTS, home, "gopd-operator") is None
    assert bare.api.find(CLUSTER_ROLES, "", "gopd-operator") is None
    assert job(bare, home) == before
    # A claim that is being deleted stays while a pod may use it.
    claim = bare.api.get(CLAIMS, home, "gopd-mlflow")
    assert "deletionTimestamp" not in claim["metadata"], "what was recorded goes with the installation"

    helm(bare, home, "install")
    assert settings(bare, home)["workers"] == OperatorSettings().workers, "a value of the installation before came back"
    assert job(bare, home) == before


def job(plane: ControlPlane, namespace: str) -> Manifest:
    return plane.api.get(DISTILLATION_JOBS, namespace, "tiny")


SAID: list[tuple[Values, list[str], list[str]]] = [
    (
        {},
        [
            "serves all namespaces",
            "port-forward service/gopd-mlflow 5000",
            "only in namespaces that are listed",
            "no public registry has gopd-operator:0.1.0, gopd-trainer:0.1.0, gopd-eval:0.1.0.",
        ],
        ["run without any"],
    ),
    (
        {"imageRegistry": "registry.example.com", "networkPolicies": {"jobNamespaces": ["a"]}},
        ["protect the pods of jobs in a,", "Jobs of every other namespace run without any"],
        ["WARNING"],
    ),
    (
        {"watchNamespace": ["a", "b", "c"], "networkPolicies": {"jobNamespaces": ["b"]}},
        ["serves a, b, c.", "Jobs in a, c run without any"],
        ["every other namespace"],
    ),
    (
        {
            "image": {"repository": "registry.example.com/gopd-operator"},
            "settings": {
                "images": {"trainer": f"gopd-trainer@sha256:{'0' * 64}", "grading": "ghcr.io/a/gopd-grader:1"}
            },
        },
        [f"no public registry has gopd-trainer@sha256:{'0' * 64}, gopd-eval:0.1.0."],
        [],
    ),
    (
        {"singleNamespaceInstall": True, "settings": {"storageClaim": "models"}},
        ["the PersistentVolumeClaim models", "let KubeRay in from the namespace kuberay-system"],
        ["all namespaces", "storage.claim\n", "run without any"],
    ),
    (
        {"mlflow": {"mode": "external", "external": {"trackingUri": "https://ml", "existingSecret": "login"}}},
        ["the secret login", "curves on https://ml"],
        ["port-forward"],
    ),
    (
        {"mlflow": {"mode": "none"}, "networkPolicies": {"enabled": False}},
        ["Nothing is tracked", "No network policy protects"],
        ["port-forward", "let KubeRay in"],
    ),
    (
        {"singleNamespaceInstall": True, "watchNamespace": ["a", "b"], "crNamespacedRbacEnable": False},
        ["serves a, b.", "Nobody has given the operator its permissions", "--set 'watchNamespace={a,b}'"],
        [],
    ),
]


@pytest.mark.parametrize(("values", "words", "absent"), SAID, ids=[words[0] for _, words, _ in SAID])
def test_what_is_said_after_installing_fits_the_values(
    bare: ControlPlane, values: Values, words: list[str], absent: list[str]
) -> None:
    said = helm(bare, "default", "install", "--dry-run=server", values=values).split("NOTES:")[1]
    assert [word for word in words if word not in said] == []
    assert [word for word in absent if word in said] == []
    assert "KubeRay is missing" not in said


def test_a_missing_kuberay_is_said(bare: ControlPlane) -> None:
    def warned() -> bool:
        shutil.rmtree(bare.folder / "discovery", ignore_errors=True)  # helm remembers a server's kinds for hours
        return "KubeRay is missing" in helm(bare, "default", "install", "--dry-run=server")

    bare.remove(["rayjobs.ray.io"])
    try:
        until(warned, "helm finds no RayJobs any more")
    finally:
        bare.install(path for path in binaries.ray_definitions() if "rayjobs" in path.name)


def test_an_upgrade_brings_the_definitions_up_to_date(bare: ControlPlane, home: str) -> None:
    helm(bare, home, "install")
    (name, _) = own_definitions(bare)
    # As an older release would have left it: without a column.
    older = bare.api.get(CUSTOM_KINDS, "", name)
    columns = older["spec"]["versions"][0]["additionalPrinterColumns"]
    older["spec"]["versions"][0]["additionalPrinterColumns"] = columns[1:]
    older["metadata"].pop("managedFields")
    bare.api.replace(CUSTOM_KINDS, older)
    helm(bare, home, "upgrade")
    now = bare.api.get(CUSTOM_KINDS, "", name)
    assert now["spec"]["versions"][0]["additionalPrinterColumns"] == columns


def test_definitions_that_were_applied_by_hand_are_taken_over(bare: ControlPlane, home: str) -> None:
    bare.kubectl("apply", "-f", CHART.parents[1] / "crds" / "evaljobs.gopd.io.yaml")
    refused = bare.helm("install", "gopd", CHART, "-n", home, check=False)
    assert "invalid ownership metadata" in refused.stderr
    helm(bare, home, "install", "--take-ownership")
    assert len(own_definitions(bare)) == 2


def test_its_pods_are_admitted_under_the_restricted_standard(bare: ControlPlane, home: str) -> None:
    answer = bare.helm("install", "gopd", CHART, "-n", home)
    assert "PodSecurity" not in answer.stderr
    until(lambda: len(bare.api.list(PODS, home)) == 2, "the operator's and MLflow's pod are created")


def test_everything_is_accepted_with_every_switch_on(bare: ControlPlane, home: str) -> None:
    other = bare.new_namespace()
    values: Values = {
        "singleNamespaceInstall": True,
        "watchNamespace": [home, other],
        "monitoring": {"grafanaDashboard": {"enabled": True}},
        "networkPolicies": {"apiServerCidrs": ["10.96.0.1/32", "fd00::1/128"], "mlflowFrom": [{"podSelector": {}}]},
        "mlflow": {"embedded": {"allowedHosts": ["mlflow.example.com"], "storage": {"persistent": False}}},
        "tolerations": [{"operator": "Exists"}],
        "runAsUser": None,
    }
    assert "It forgets everything with its pod" in helm(bare, home, "install", values=values)
    for namespace in (home, other):
        assert {"gopd-grade", "gopd-train"} <= {one["metadata"]["name"] for one in bare.api.list(POLICIES, namespace)}
    assert bare.api.find(CLUSTER_ROLES, "", "gopd-operator") is None


def test_the_operators_account_may_do_what_the_role_says_and_only_where(bare: ControlPlane, home: str) -> None:
    elsewhere = bare.new_namespace()
    helm(bare, home, "install", values={"singleNamespaceInstall": True})
    (role,) = of_kind(operator_access(home, home=home), "Role")
    account = bare.account_api(home, "gopd-operator")

    def may(namespace: str, group: str, resource: str, verb: str) -> bool:
        whole, _, part = resource.partition("/")
        asked = {"namespace": namespace, "group": group, "resource": whole, "subresource": part, "verb": verb}
        review = {"spec": {"resourceAttributes": asked}}
        return bool(account.request("POST", REVIEWS.path(), review)["status"]["allowed"])

    for right in sorted(granted(role)):
        assert (may(home, *right), may(elsewhere, *right)) == (True, False), right
    for right in [
        ("", "secrets", "get"),
        ("", "pods", "create"),
        ("", "pods", "delete"),
        ("ray.io", "rayjobs", "update"),
    ]:
        assert not may(home, *right), right


@pytest.mark.parametrize("scope", [{}, {"singleNamespaceInstall": True}], ids=["cluster", "namespace"])
def test_the_operator_works_with_what_the_chart_has_installed(
    bare: ControlPlane, home: str, scope: Values, tmp_path: Path
) -> None:
    """Its settings are the installed ones but for the port, its permissions those of the installed account."""
    helm(bare, home, "install", values={**scope, "settings": {"inspect": False, "storageClaim": "gopd"}})
    installed = {**settings(bare, home), "port": 0}
    with OperatorProcess(bare.account_kubeconfig(home, "gopd-operator"), tmp_path, **installed) as operator:
        bare.kubectl("apply", "-n", home, "-f", EXAMPLE)
        until(lambda: bare.api.list(JOBS, home) or bare.api.list(RAY_JOBS, home), "the first work is created")
        refused = [line for line in operator.asked("/metrics")[1].splitlines() if 'code="403"' in line]
    assert refused == []
