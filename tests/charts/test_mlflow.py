"""The MLflow of the chart: which hosts it answers to, by MLflow's own code, and what jobs are told of it."""

from typing import Any

import pytest
import yaml
from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request
from tests.charts.rendering import Manifest, Values, of_kind, one, render, settings_text

INSIDE = [
    "gopd-mlflow",
    "gopd-mlflow:5000",
    "gopd-mlflow.gopd-system",
    "gopd-mlflow.gopd-system:5000",
    "gopd-mlflow.gopd-system.svc",
    "gopd-mlflow.gopd-system.svc:5000",
    "gopd-mlflow.gopd-system.svc.cluster.local:5000",
    "localhost:5000",
    "localhost:18080",
    "127.0.0.1:5000",
    "10.244.0.7:5000",
    "192.168.3.4:5000",
    "172.16.0.9:5000",
    "172.31.0.9:5000",
]
OUTSIDE = ["evil.example", "evil.example:5000", "mlflow.example.com", "gopd-mlflow.other:5000", "172.32.0.1:5000", ""]


def container(objects: list[Manifest]) -> Manifest:
    (found,) = one(objects, "Deployment", "gopd-mlflow")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(objects: list[Manifest]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(objects)["env"]}


def hosts(objects: list[Manifest]) -> list[str]:
    return environment(objects)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")


def settings(objects: list[Manifest]) -> dict[str, Any]:
    return dict(yaml.safe_load(settings_text(objects)))


@pytest.mark.parametrize("host", INSIDE)
def test_a_name_inside_the_cluster_is_answered(objects: list[Manifest], host: str) -> None:
    assert is_allowed_host_header(hosts(objects), host)


@pytest.mark.parametrize("host", OUTSIDE)
def test_another_host_is_refused(objects: list[Manifest], host: str) -> None:
    assert not is_allowed_host_header(hosts(objects), host)


def test_an_ingress_is_answered_and_its_pages_may_change_things() -> None:
    objects = render({"mlflow": {"embedded": {"allowedHosts": ["mlflow.example.com", "lab:8443"]}}})
    assert is_allowed_host_header(hosts(objects), "mlflow.example.com")
    assert is_allowed_host_header(hosts(objects), "lab:8443")
    origins = environment(objects)["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert not should_block_cors_request("https://mlflow.example.com", "POST", origins)
    assert should_block_cors_request("https://evil.example", "POST", origins)


def test_the_address_that_jobs_are_told_is_one_that_is_answered(objects: list[Manifest]) -> None:
    uri = settings(objects)["trackingUri"]
    assert is_allowed_host_header(hosts(objects), uri.removeprefix("http://"))
    port = one(objects, "Service", "gopd-mlflow")["spec"]["ports"][0]["port"]
    assert uri == f"http://gopd-mlflow.gopd-system.svc:{port}"


def test_another_port_is_the_same_everywhere() -> None:
    objects = render({"mlflow": {"embedded": {"port": 5555}}})
    assert settings(objects)["trackingUri"].endswith(":5555")
    command = container(objects)["command"]
    assert command[command.index("--port") + 1] == "5555"
    assert container(objects)["ports"][0]["containerPort"] == 5555
    assert one(objects, "Service", "gopd-mlflow")["spec"]["ports"][0]["port"] == 5555


def test_what_was_recorded_outlives_the_installation(objects: list[Manifest]) -> None:
    claim = one(objects, "PersistentVolumeClaim", "gopd-mlflow")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "storageClassName" not in claim["spec"], "the cluster's default class is chosen by leaving it out"


@pytest.mark.parametrize(
    ("storage", "claims", "volume"),
    [
        ({"persistent": False}, 0, {"emptyDir": {"sizeLimit": "10Gi"}}),
        ({"existingClaim": "old"}, 0, {"persistentVolumeClaim": {"claimName": "old"}}),
        ({"storageClass": "fast"}, 1, {"persistentVolumeClaim": {"claimName": "gopd-mlflow"}}),
    ],
)
def test_the_store_lies_where_the_values_say(storage: Values, claims: int, volume: Values) -> None:
    objects = render({"mlflow": {"embedded": {"storage": storage}}})
    assert len(of_kind(objects, "PersistentVolumeClaim")) == claims
    volumes = one(objects, "Deployment", "gopd-mlflow")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "store", **volume} in volumes
    writable = {mount["name"]: mount["mountPath"] for mount in container(objects)["volumeMounts"]}
    assert environment(objects)["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{writable['store']}/mlflow.db"
    assert environment(objects)["MLFLOW_ARTIFACTS_DESTINATION"].startswith(writable["store"])


def test_an_external_mlflow_is_told_with_its_secret_and_nothing_is_installed() -> None:
    objects = render(
        {"mlflow": {"mode": "external", "external": {"trackingUri": "https://ml.example/", "existingSecret": "login"}}}
    )
    assert (settings(objects)["trackingUri"], settings(objects)["trackingSecret"]) == ("https://ml.example/", "login")
    operator = one(objects, "Deployment", "gopd-operator")["spec"]["template"]["spec"]["containers"][0]
    assert operator["envFrom"] == [{"secretRef": {"name": "login"}}]
    assert [found for found in objects if "mlflow" in found["metadata"]["name"]] == []


def test_without_mlflow_nothing_is_told_and_nothing_installed() -> None:
    objects = render({"mlflow": {"mode": "none"}})
    assert (settings(objects)["trackingUri"], settings(objects)["trackingSecret"]) == (None, None)
    assert [found for found in objects if "mlflow" in found["metadata"]["name"]] == []
