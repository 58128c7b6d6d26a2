"""Values that helm refuses, each with the words that say what is wrong and where."""

import functools
from typing import Any

import pytest
from tests.charts.rendering import Refused, render

REFUSED: list[tuple[str, Any, str]] = [
    ("replicas", 2, "at '': additional properties 'replicas' not allowed"),
    ("image.tags", "1.0", "at '/image': additional properties 'tags' not allowed"),
    ("image.digest", "sha256:12", "at '/image/digest': 'sha256:12' does not match pattern"),
    ("image.pullPolicy", "Sometimes", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("image.repository", "gopd-operator:1", "at '/image/repository': 'gopd-operator:1' does not match pattern"),
    ("singleNamespaceInstall", "yes", "at '/singleNamespaceInstall': got string, want boolean"),
    ("watchNamespace", "team-a", "at '/watchNamespace': got string, want array"),
    ("watchNamespace", ["Team"], "at '/watchNamespace/0': 'Team' does not match pattern"),
    ("watchNamespace", ["a", "a"], "at '/watchNamespace': items at 0 and 1 are equal"),
    ("settings.worker", 4, "at '/settings': additional properties 'worker' not allowed"),
    ("settings.workers", 0, "at '/settings/workers': minimum: got 0, want 1"),
    ("settings.workers", "many", "at '/settings/workers': got string, want integer"),
    ("settings.resyncSeconds", 1, "at '/settings/resyncSeconds': minimum: got 1, want 5"),
    ("settings.port", 80, "at '/settings/port': minimum: got 80, want 1,024"),
    ("settings.namespaces", ["a"], "at '/settings': additional properties 'namespaces' not allowed"),
    ("settings.trackingUri", "http://a", "at '/settings': additional properties 'trackingUri' not allowed"),
    ("settings.mountRoot", "settings", "at '/settings/mountRoot': 'settings' does not match pattern"),
    ("settings.patience.imageSeconds", 1.5, "at '/settings/patience/imageSeconds': got number, want integer"),
    ("settings.patience.evaluationSeconds", 5, "at '/settings/patience/evaluationSeconds': minimum: got 5, want 60"),
    ("settings.requests.head.cpu", 2, "at '/settings/requests/head/cpu': got number, want null or string"),
    ("settings.requests.worker", {}, "at '/settings/requests': additional properties 'worker' not allowed"),
    ("runAsUser", 0, "at '/runAsUser': minimum: got 0, want 1"),
    ("resources.limits.memory", "lots", "at '/resources/limits/memory': 'lots' does not match pattern"),
    ("tolerations", [{"keys": "gpu"}], "at '/tolerations/0': additional properties 'keys' not allowed"),
    ("mlflow.mode", "embeded", "at '/mlflow/mode': value must be one of 'embedded', 'external', 'none'"),
    ("mlflow.embedded.replicas", 2, "at '/mlflow/embedded': additional properties 'replicas' not allowed"),
    ("mlflow.embedded.storage.size", "10 GB", "at '/mlflow/embedded/storage/size': '10 GB' does not match pattern"),
    ("mlflow.embedded.allowedHosts", ["http://a"], "at '/mlflow/embedded/allowedHosts/0': 'http://a' does not match"),
    ("mlflow.external.trackingUri", "mlflow:5000", "at '/mlflow/external/trackingUri': 'mlflow:5000' does not match"),
    ("networkPolicies.enabled", "on", "at '/networkPolicies/enabled': got string, want boolean"),
    ("networkPolicies.apiServerPorts", [], "at '/networkPolicies/apiServerPorts': minItems: got 0, want 1"),
    (
        "networkPolicies.apiServerCidrs",
        ["10.0.0.1"],
        "at '/networkPolicies/apiServerCidrs/0': '10.0.0.1' does not match",
    ),
    ("monitoring.serviceMonitor.interval", "often", "at '/monitoring/serviceMonitor/interval': 'often' does not match"),
]
CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"mlflow": {"mode": "external"}},
        "mlflow.external.trackingUri: missing with mlflow.mode external; set it to the address of MLflow",
    ),
    (
        {"mlflow": {"external": {"trackingUri": "http://mlflow"}}},
        "mlflow.external.trackingUri: set, but mlflow.mode is embedded, which does not read it; set mlflow.mode to",
    ),
    (
        {"mlflow": {"mode": "none", "external": {"existingSecret": "mlflow"}}},
        "mlflow.external.existingSecret: set, but mlflow.mode is none",
    ),
    (
        {"mlflow": {"embedded": {"storage": {"persistent": False, "existingClaim": "old"}}}},
        "mlflow.embedded.storage.existingClaim: set, but persistent is false",
    ),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name: missing, but serviceAccount.create is false"),
    (
        {"image": {"tag": "1", "digest": f"sha256:{'0' * 64}"}},
        "image.tag: set beside image.digest, which goes before it",
    ),
]


@functools.cache
def refusals() -> dict[int, str]:
    """helm's words for each row. It names every fault at once, so rows with nothing in common share a call."""
    batches: list[dict[str, int]] = []
    for row, (path, _, words) in enumerate(REFUSED):
        place = words.split("':")[0]
        free = (
            one for one in batches if path not in one and all(not REFUSED[i][2].startswith(place) for i in one.values())
        )
        batch = next(free, None)
        if batch is None:
            batches.append(batch := {})
        batch[path] = row
    return {row: words for batch in batches for words in [refusal(batch)] for row in batch.values()}


def refusal(batch: dict[str, int]) -> str:
    values: dict[str, Any] = {}
    for path, row in batch.items():
        *above, key = path.split(".")
        inner = values
        for name in above:
            inner = inner.setdefault(name, {})
        inner[key] = REFUSED[row][1]
    with pytest.raises(Refused) as refused:
        render(values)
    return str(refused.value)


@pytest.mark.parametrize("row", range(len(REFUSED)), ids=[f"{path}={value}" for path, value, _ in REFUSED])
def test_helm_refuses(row: int) -> None:
    assert REFUSED[row][2] in refusals()[row]


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS, ids=[words.split(";")[0] for _, words in CONTRADICTIONS])
def test_helm_refuses_values_that_contradict_each_other(values: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refusal:
        render(values)
    assert words in str(refusal.value)


def test_the_values_of_an_enclosing_chart_are_no_unknown_keys() -> None:
    assert render({"global": {"team": "ml"}})
