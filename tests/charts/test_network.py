"""Network policies: whom they protect, told by the labels that the operator and KubeRay give to pods, and from what."""

import json
from typing import Any

import pytest
from tests.charts.rendering import Manifest, Values, of_kind, one, render
from tests.operator.cluster_world import tiny_job

from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.cluster.measuring_objects import inspection, part_objects
from gopd_operator.core.cluster.names import Part
from gopd_operator.core.cluster.training_objects import rayjob
from gopd_operator.core.distilling import Surroundings
from gopd_operator.core.settings import OperatorSettings
from gopd_operator.core.workflow import plan

KUBERAYS = {"ray.io/cluster": "tiny-a1-abcde", "ray.io/node-type": "head"}
"""What KubeRay adds to the labels of a pod's template."""
SOMEBODYS = {**KUBERAYS, "app": "serve"}
PRESENT: Values = {"networkPolicies": {"jobNamespaces": ["team-a", "team-b"]}}


def context() -> Context:
    return Context(tiny_job(), OperatorSettings())


def trainer_labels() -> dict[str, str]:
    template = rayjob(context(), 1, "request", "sha256:0", None)["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
    return {**template["metadata"]["labels"], **KUBERAYS}


def part_labels(part: Part) -> dict[str, str]:
    """The labels of the pods of one part of an evaluation."""
    if part == "inspect":
        objects = inspection(context())
    else:
        kind = "compare" if part == "compare" else "evaluate"
        step = next(step for step in plan(context().job, Surroundings("/gopd", None)).steps if step.kind == kind)
        objects = part_objects(context(), step, part)
    (job,) = of_kind(objects, "Job")
    return dict(job["spec"]["template"]["metadata"]["labels"])


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """A label selector, as Kubernetes reads it."""
    verdicts = [labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()]
    for expression in selector.get("matchExpressions", []):
        found, values = labels.get(expression["key"]), expression.get("values", [])
        means = {"Exists": found is not None, "In": found in values, "NotIn": found not in values}
        verdicts.append(means[expression["operator"]])
    return all(verdicts)


def policy(objects: list[Manifest], name: str) -> Manifest:
    found: Manifest = next(one for one in of_kind(objects, "NetworkPolicy") if one["metadata"]["name"] == name)
    return dict(found["spec"])


def admits(peers: list[Manifest], labels: dict[str, str], namespace: str = "team-a") -> bool:
    """Whether a pod with these labels, in this namespace, is among the peers."""
    named = {"kubernetes.io/metadata.name": namespace}
    return any(
        selects(peer["podSelector"], labels) and selects(peer["namespaceSelector"], named)
        for peer in peers
        if "podSelector" in peer and "namespaceSelector" in peer
    )


def test_a_grading_pod_reaches_nothing_and_is_reached_by_nothing() -> None:
    spec = policy(render(PRESENT), "gopd-grade")
    assert (spec["ingress"], spec["egress"], spec["policyTypes"]) == ([], [], ["Ingress", "Egress"])
    assert selects(spec["podSelector"], part_labels("grade"))
    parts: list[Part] = ["generate", "compare", "inspect"]
    others = [trainer_labels(), SOMEBODYS, *map(part_labels, parts)]
    assert [labels for labels in others if selects(spec["podSelector"], labels)] == []


def test_a_dashboard_is_asked_by_kuberay_and_its_own_cluster_only() -> None:
    spec = policy(render(PRESENT), "gopd-train")
    kuberay, own = spec["ingress"]
    assert kuberay["ports"] == [{"port": 8265}]
    assert kuberay["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kuberay-system"}}}
    ]
    assert "ports" not in own
    (peer,) = own["from"]
    assert "namespaceSelector" not in peer, "another namespace's Ray pods would be let in"
    assert selects(peer["podSelector"], trainer_labels())
    assert not selects(peer["podSelector"], part_labels("grade"))
    assert spec["policyTypes"] == ["Ingress"], "a training may fetch models"


def test_only_this_projects_ray_clusters_are_protected() -> None:
    spec = policy(render(PRESENT), "gopd-train")
    assert selects(spec["podSelector"], trainer_labels())
    assert not selects(spec["podSelector"], SOMEBODYS)
    assert not selects(spec["podSelector"], part_labels("generate"))


def test_kuberays_namespace_can_be_chosen() -> None:
    values = {
        "networkPolicies": {**PRESENT["networkPolicies"], "kuberayNamespaceSelector": {"matchLabels": {"a": "b"}}}
    }
    peer = policy(render(values), "gopd-train")["ingress"][0]["from"][0]
    assert peer["namespaceSelector"]["matchLabels"]["a"] == "b"


@pytest.mark.parametrize(
    ("values", "protected"),
    [
        ({}, []),
        (PRESENT, ["team-a", "team-b"]),
        ({"watchNamespace": ["team-a"]}, ["team-a"]),
        ({"singleNamespaceInstall": True}, ["gopd-system"]),
        ({"watchNamespace": ["team-c"], **PRESENT}, ["team-a", "team-b"]),
    ],
)
def test_the_policies_lie_where_the_jobs_are(values: Values, protected: list[str]) -> None:
    policies = of_kind(render(values), "NetworkPolicy")
    for name in ("gopd-grade", "gopd-train"):
        found = [one["metadata"].get("namespace") for one in policies if one["metadata"]["name"] == name]
        assert found == protected


def test_the_embedded_mlflow_hears_jobs_and_the_operator_and_asks_nobody(objects: list[Manifest]) -> None:
    spec = policy(objects, "gopd-mlflow")
    assert selects(spec["podSelector"], pod_labels(objects, "gopd-mlflow"))
    assert (spec["egress"], "Egress" in spec["policyTypes"]) == ([], True)
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"port": 5000}]
    assert selects(rule["from"][0]["podSelector"], pod_labels(objects, "gopd-operator"))
    assert admits(rule["from"], trainer_labels())
    assert admits(rule["from"], part_labels("compare"))
    assert not admits(rule["from"], part_labels("grade"))
    assert not admits(rule["from"], {"app": "other"})


@pytest.mark.parametrize(
    ("values", "heard", "unheard"),
    [
        ({}, ["team-a", "other"], []),
        (PRESENT, ["team-a", "other"], []),  # all are served: jobs may be where no policy protects them
        ({"watchNamespace": ["team-a"]}, ["team-a"], ["other", "gopd-system"]),
        ({"singleNamespaceInstall": True, "watchNamespace": ["team-a", "team-b"]}, ["team-a", "team-b"], ["other"]),
        ({"singleNamespaceInstall": True}, ["gopd-system"], ["team-a"]),
    ],
)
def test_the_embedded_mlflow_hears_the_served_namespaces_only(
    values: Values, heard: list[str], unheard: list[str]
) -> None:
    (rule,) = policy(render(values), "gopd-mlflow")["ingress"]
    for labels in (trainer_labels(), part_labels("compare"), SOMEBODYS):
        assert [name for name in [*heard, *unheard] if admits(rule["from"], labels, name)] == heard


def pod_labels(objects: list[Manifest], name: str) -> dict[str, str]:
    return dict(one(objects, "Deployment", name)["spec"]["template"]["metadata"]["labels"])


def test_the_operator_reaches_the_api_server_names_and_mlflow(objects: list[Manifest]) -> None:
    spec = policy(objects, "gopd-operator")
    assert selects(spec["podSelector"], pod_labels(objects, "gopd-operator"))
    api_server, names, mlflow = spec["egress"]
    assert (ports(api_server), "to" in api_server) == ({443, 6443}, False)
    assert (ports(names), {port["protocol"] for port in names["ports"]}) == ({53, 5353}, {"UDP", "TCP"})
    assert ports(mlflow) == {5000}
    assert selects(mlflow["to"][0]["podSelector"], pod_labels(objects, "gopd-mlflow"))
    assert spec["ingress"] == [{"ports": [{"port": 8080}]}]


def ports(rule: Manifest) -> set[Any]:
    return {port["port"] for port in rule["ports"]}


@pytest.mark.parametrize(
    ("uri", "more", "expected"),
    [
        ("https://ml.example/", [], {443}),
        ("http://ml.example", [], {80}),
        ("http://mlflow.team:5000/path", [], {5000}),
        ("http://mlflow.team", [5000], {80, 5000}),
    ],
)
def test_an_external_mlflow_is_reached_at_its_port(uri: str, more: list[int], expected: set[int]) -> None:
    external = {"mlflow": {"mode": "external", "external": {"trackingUri": uri}}}
    objects = render({**external, "networkPolicies": {"trackingPorts": more}})
    assert ports(policy(objects, "gopd-operator")["egress"][-1]) == expected
    assert [found for found in of_kind(objects, "NetworkPolicy") if "mlflow" in found["metadata"]["name"]] == []


def test_the_api_servers_addresses_and_further_peers_can_be_named() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}
    values = {"apiServerCidrs": ["10.0.0.1/32"], "metricsFrom": [peer], "mlflowFrom": [peer]}
    objects = render({"networkPolicies": values})
    operator = policy(objects, "gopd-operator")
    assert operator["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    assert operator["ingress"][0]["from"] == [peer]
    assert peer in policy(objects, "gopd-mlflow")["ingress"][0]["from"]


def test_one_switch_takes_them_all_away() -> None:
    off: dict[str, Any] = json.loads(json.dumps(PRESENT))
    off["networkPolicies"]["enabled"] = False
    assert of_kind(render(off), "NetworkPolicy") == []
