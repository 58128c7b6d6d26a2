"""What plays KubeRay writes what the real operator 1.6.2 writes: both take the same RayJob to the same states.

Compared are the states that need no answering dashboard. Times, random names and endpoints differ and are not compared.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.apiserver.documents import ray_job
from tests.cluster import pods, ray_faults
from tests.cluster.api import PODS, RAY_CLUSTERS, RAY_JOBS, Document
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kuberay import FINALIZER, KubeRay
from tests.cluster.ray_operator import RayOperator

NAME = "exopd-a1"
PAIR = tuple[KubeRay, KubeRay]


@pytest.fixture(scope="module")
def real_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that the real operator serves."""
    name = control_plane.new_namespace("real")
    with RayOperator(control_plane, name):
        yield name


def until(met: Callable[[], Any], seconds: float = 60) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < give_up, "the real operator did not get there"
        time.sleep(0.1)
    return found


def real(control_plane: ControlPlane, namespace: str, name: str, **spec: Any) -> KubeRay:
    """The real operator's RayJob, looked at through the same eyes."""
    control_plane.api.create(RAY_JOBS, namespace, ray_job(name, **spec))
    return KubeRay(control_plane.api, namespace)


def played(control_plane: ControlPlane, namespace: str, **spec: Any) -> KubeRay:
    control_plane.api.create(RAY_JOBS, namespace, ray_job(NAME, **spec))
    return KubeRay(control_plane.api, namespace)


def shape(status: Document) -> Document:
    """A status without what is random or a time: names become their form, other values stay."""
    alike = {"jobId", "rayClusterName", "dashboardURL", "startTime", "endTime", "rayClusterStatus"}
    return {field: "..." if field in alike else value for field, value in status.items() if value != {}}


def in_state(ray: KubeRay, name: str, deployment: str) -> Callable[[], bool]:
    return lambda: ray.state(name)[0] == deployment


def test_a_new_job_is_initialized_alike(control_plane: ControlPlane, real_namespace: str, namespace: str) -> None:
    theirs, ours = real(control_plane, real_namespace, "a-new"), played(control_plane, namespace)
    until(lambda: len(theirs.pods("a-new")) == 3)
    until(lambda: theirs.get("a-new")["status"].get("rayClusterStatus", {}).get("desiredWorkerReplicas"))
    ours.initialize(NAME)
    real_job, own_job = theirs.get("a-new"), ours.get(NAME)
    assert shape(own_job["status"]) == shape(real_job["status"])
    assert own_job["metadata"]["finalizers"] == real_job["metadata"]["finalizers"] == [FINALIZER]
    real_cluster = control_plane.api.get(RAY_CLUSTERS, real_namespace, real_job["status"]["rayClusterName"])
    own_cluster = control_plane.api.get(RAY_CLUSTERS, namespace, own_job["status"]["rayClusterName"])
    for cluster in (real_cluster, own_cluster):
        assert [(one["kind"], one["controller"]) for one in cluster["metadata"]["ownerReferences"]] == [
            ("RayJob", True)
        ]
    assert (
        own_cluster["metadata"]["labels"].items()
        <= {
            **real_cluster["metadata"]["labels"],
            "ray.io/originated-from-cr-name": NAME,
        }.items()
    )
    own_shown, real_shown = own_job["status"]["rayClusterStatus"], real_job["status"]["rayClusterStatus"]
    assert own_shown["desiredGPU"] == real_shown["desiredGPU"] == "6"
    assert own_shown["desiredWorkerReplicas"] == real_shown["desiredWorkerReplicas"] == 2
    assert sorted(map(own_labels, ours.pods(NAME))) == sorted(map(own_labels, theirs.pods("a-new")))


def own_labels(pod: Document) -> list[str]:
    """The names of Ray's labels on a pod, and the values of those that are not the cluster's name."""
    labels = pod["metadata"]["labels"]
    return [
        *sorted(label for label in labels if label.startswith("ray.io/") and label in KNOWN),
        labels["ray.io/group"],
    ]


KNOWN = {"ray.io/is-ray-node", "ray.io/cluster", "ray.io/node-type", "ray.io/group", "ray.io/identifier"}


def test_a_cluster_whose_pods_run_takes_the_job_to_running(
    control_plane: ControlPlane, real_namespace: str, namespace: str
) -> None:
    theirs, ours = real(control_plane, real_namespace, "b-runs"), played(control_plane, namespace)
    until(lambda: len(theirs.pods("b-runs")) == 3)
    for pod in theirs.pods("b-runs"):
        pods.set_running(control_plane.api, control_plane.api.get(PODS, real_namespace, pod["metadata"]["name"]))
    until(in_state(theirs, "b-runs", "Running"))
    ours.initialize(NAME)
    ours.provision(NAME)
    ours.run(NAME, job_status="")
    real_status, own_status = theirs.get("b-runs")["status"], ours.get(NAME)["status"]
    assert shape(own_status) == shape(real_status)
    end = f".{namespace}.svc.cluster.local:8265"
    assert own_status["dashboardURL"].endswith(f"-head-svc{end}")
    assert real_status["dashboardURL"].endswith(f"-head-svc{end.replace(namespace, real_namespace)}")
    assert "state" not in own_status["rayClusterStatus"] | real_status["rayClusterStatus"], "as it was last seen"
    real_shown = control_plane.api.get(RAY_CLUSTERS, real_namespace, real_status["rayClusterName"])["status"]
    own_shown = control_plane.api.get(RAY_CLUSTERS, namespace, own_status["rayClusterName"])["status"]
    assert own_shown["state"] == real_shown["state"] == "ready"
    assert own_shown["readyWorkerReplicas"] == real_shown["readyWorkerReplicas"] == 2
    assert conditions(own_shown) == conditions(real_shown)


def conditions(cluster_status: Document) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in cluster_status["conditions"]}


def test_a_job_that_is_created_suspended_is_parked_alike(
    control_plane: ControlPlane, real_namespace: str, namespace: str
) -> None:
    theirs = real(control_plane, real_namespace, "c-parked", suspend=True)
    ours = played(control_plane, namespace, suspend=True)
    until(in_state(theirs, "c-parked", "Suspended"))
    ours.initialize(NAME)
    ours.suspend(NAME)
    assert shape(ours.get(NAME)["status"]) == shape(theirs.get("c-parked")["status"])
    assert ours.get(NAME)["status"]["rayClusterStatus"] == theirs.get("c-parked")["status"]["rayClusterStatus"]
    assert theirs.pods("c-parked") == ours.pods(NAME) == []


def test_a_deadline_ends_a_job_alike(control_plane: ControlPlane, real_namespace: str, namespace: str) -> None:
    theirs = real(control_plane, real_namespace, "d-late", activeDeadlineSeconds=1)
    ours = played(control_plane, namespace, activeDeadlineSeconds=1)
    until(in_state(theirs, "d-late", "Failed"))
    ours.initialize(NAME)
    ray_faults.deadline_exceeded(ours, NAME)
    real_status, own_status = shape(theirs.get("d-late")["status"]), shape(ours.get(NAME)["status"])
    words = "The RayJob has passed the activeDeadlineSeconds. StartTime: "
    assert real_status.pop("message").startswith(words)
    assert own_status.pop("message").startswith(words)
    assert {**own_status, "rayClusterStatus": 0} == {**real_status, "rayClusterStatus": 0}


def test_what_kuberay_refuses_is_refused_alike(
    control_plane: ControlPlane, real_namespace: str, namespace: str
) -> None:
    theirs = real(control_plane, real_namespace, "e-wrong", shutdownAfterJobFinishes=False, suspend=True)
    ours = played(control_plane, namespace)
    until(in_state(theirs, "e-wrong", "ValidationFailed"))
    real_job = theirs.get("e-wrong")
    ray_faults.validation_failed(ours, NAME, real_job["status"]["message"])
    assert shape(ours.get(NAME)["status"]) == shape(real_job["status"])


def test_a_deleted_job_is_let_go_by_the_real_one(control_plane: ControlPlane, real_namespace: str) -> None:
    theirs = real(control_plane, real_namespace, "f-deleted")
    until(in_state(theirs, "f-deleted", "Initializing"))
    control_plane.api.delete(RAY_JOBS, real_namespace, "f-deleted")
    until(lambda: control_plane.api.find(RAY_JOBS, real_namespace, "f-deleted") is None)
