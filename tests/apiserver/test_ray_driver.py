"""What plays KubeRay and Kueue: each event ends in the state that the real ones write, and the real CRDs take it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.apiserver.documents import ray_job
from tests.cluster import ray_faults
from tests.cluster.api import RAY_CLUSTERS, RAY_JOBS, Api
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kuberay import FINALIZER, KubeRay
from tests.cluster.kueue import SELECTOR, Kueue
from tests.cluster.ray_autopilot import ray_autopilot

NAME = "exopd-a1"
Event = Callable[[KubeRay, str], object]


@pytest.fixture
def ray(control_plane: ControlPlane, namespace: str) -> KubeRay:
    """A driver with one new RayJob in a fresh namespace."""
    control_plane.api.create(RAY_JOBS, namespace, ray_job(NAME))
    return KubeRay(control_plane.api, namespace)


def until(met: Callable[[], Any], seconds: float = 30) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := met()) and time.monotonic() < give_up:
        time.sleep(0.05)
    return found


def test_a_job_that_goes_well_passes_through_every_state(ray: KubeRay) -> None:
    assert ray.state(NAME) == ("", "")
    first = ray.initialize(NAME)["status"]
    assert first["jobDeploymentStatus"] == "Initializing"
    assert first["jobId"].startswith(f"{NAME}-")
    assert first["rayClusterName"].startswith(f"{NAME}-")
    assert [pod["status"]["phase"] for pod in ray.pods(NAME)] == ["Pending"] * 3
    ray.provision(NAME)
    running = ray.run(NAME)["status"]
    assert (running["jobDeploymentStatus"], running["jobStatus"]) == ("Running", "RUNNING")
    assert running["rayClusterStatus"]["desiredGPU"] == "6"
    assert running["rayClusterStatus"]["state"] == "ready"
    assert running["rayJobInfo"]["startTime"]
    assert [pod["status"]["phase"] for pod in ray.pods(NAME)] == ["Running"] * 3
    ended = ray.succeed(NAME)["status"]
    assert (ended["jobDeploymentStatus"], ended["jobStatus"], ended["succeeded"]) == ("Complete", "SUCCEEDED", 1)
    assert "reason" not in ended
    assert ended["endTime"] >= ended["startTime"]
    assert ray.pods(NAME) == []
    assert ray.api.list(RAY_CLUSTERS, ray.namespace) == []


ENDS: dict[str, tuple[Event, str, str, str]] = {
    "application error": (ray_faults.application_error, "Failed", "FAILED", "AppFailed"),
    "out of memory": (ray_faults.out_of_memory, "Failed", "FAILED", "AppFailed"),
    "head lost": (ray_faults.head_lost, "Running", "RUNNING", ""),
    "worker lost": (ray_faults.worker_lost, "Failed", "FAILED", "AppFailed"),
    "dashboard unreachable": (ray_faults.dashboard_unreachable, "Failed", "RUNNING", "JobStatusCheckTimeoutExceeded"),
    "pods preempted": (ray_faults.pods_preempted, "Failed", "FAILED", "AppFailed"),
    "stopped": (ray_faults.stopped, "Complete", "STOPPED", ""),
    "deadline": (ray_faults.deadline_exceeded, "Failed", "RUNNING", "DeadlineExceeded"),
}


@pytest.mark.parametrize("event", ENDS)
def test_an_event_on_a_running_job_ends_as_kuberay_ends_it(ray: KubeRay, event: str) -> None:
    happen, deployment, job, reason = ENDS[event]
    ray.start(NAME)
    happen(ray, NAME)
    status = ray.get(NAME)["status"]
    assert (status["jobDeploymentStatus"], status["jobStatus"], status.get("reason", "")) == (deployment, job, reason)
    assert status["failed"] == (deployment == "Failed")


STARTS: dict[str, tuple[Event, str, str]] = {
    "validation failed": (ray_faults.validation_failed, "ValidationFailed", "ValidationFailed"),
    "image cannot be pulled": (ray_faults.image_cannot_be_pulled, "Initializing", ""),
    "never scheduled": (ray_faults.never_scheduled, "Initializing", ""),
}


@pytest.mark.parametrize("event", STARTS)
def test_an_event_on_a_new_job_leaves_it_where_kuberay_leaves_it(ray: KubeRay, event: str) -> None:
    happen, deployment, reason = STARTS[event]
    happen(ray, NAME)
    status = ray.get(NAME)["status"]
    assert (status["jobDeploymentStatus"], status.get("reason", "")) == (deployment, reason)


@pytest.mark.parametrize("deployment", ["Waiting", "Retrying", "Suspending"])
def test_every_other_state_is_taken_too(ray: KubeRay, deployment: str) -> None:
    ray.enter(NAME, deployment)
    assert ray.state(NAME)[0] == deployment


def test_pods_say_what_happened_to_them(ray: KubeRay) -> None:
    ray_faults.image_cannot_be_pulled(ray, NAME)
    waiting = [pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] for pod in ray.pods(NAME)]
    assert waiting == ["ImagePullBackOff"] * 3
    ray.provision(NAME)
    ray.run(NAME)
    ray.api.merge(RAY_JOBS, ray.namespace, NAME, {"spec": {"ttlSecondsAfterFinished": 300}})
    ray_faults.out_of_memory(ray, NAME)
    ends = [pod["status"]["containerStatuses"][0]["state"].get("terminated", {}) for pod in ray.pods(NAME, "worker")]
    assert sorted(end.get("reason", "") for end in ends) == ["", "OOMKilled"]


def test_a_lost_head_is_another_pod_afterwards(ray: KubeRay) -> None:
    ray.start(NAME)
    (before,) = ray.pods(NAME, "head")
    ray_faults.head_lost(ray, NAME)
    (after,) = ray.pods(NAME, "head")
    assert before["metadata"]["uid"] != after["metadata"]["uid"]


def test_a_queue_holds_lets_in_and_takes_out(ray: KubeRay) -> None:
    kueue = Kueue(ray.api, ray.namespace)
    kueue.hold(NAME)
    assert ray.state(NAME) == ("Suspended", "")
    assert ray.api.list(RAY_CLUSTERS, ray.namespace) == []
    admitted = kueue.admit(NAME)
    assert admitted["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["nodeSelector"] == SELECTOR
    first = ray.start(NAME)["status"]["jobId"]
    kueue.preempt(NAME)
    assert ray.state(NAME) == ("Suspended", "")
    assert "jobId" not in ray.get(NAME)["status"]
    assert ray.pods(NAME) == []
    kueue.admit(NAME)
    assert ray.start(NAME)["status"]["jobId"] != first


def test_a_deleted_job_goes_once_kuberay_lets_it(ray: KubeRay) -> None:
    ray.start(NAME)
    ray.api.delete(RAY_JOBS, ray.namespace, NAME)
    assert ray.get(NAME)["metadata"]["finalizers"] == [FINALIZER]
    with ray_autopilot(ray.api, ray.namespace, only_deletions=True):
        assert until(lambda: ray.api.find(RAY_JOBS, ray.namespace, NAME) is None)
        assert until(lambda: ray.api.list(RAY_CLUSTERS, ray.namespace) == []), "the garbage collector follows RayJobs"


def test_the_autopilot_carries_many_jobs_and_ends_each_as_told(control_plane: ControlPlane, namespace: str) -> None:
    api: Api = control_plane.api
    names = [f"many-{number:02}" for number in range(20)]
    for name in names:
        api.create(RAY_JOBS, namespace, ray_job(name, suspend=name == "many-03"))

    def ending(found: dict[str, Any]) -> Event:
        return ray_faults.stopped if found["metadata"]["name"] == "many-07" else KubeRay.succeed

    def ended() -> dict[str, str]:
        statuses = {one["metadata"]["name"]: one.get("status", {}) for one in api.list(RAY_JOBS, namespace)}
        return {n: s["jobStatus"] for n, s in statuses.items() if s.get("jobDeploymentStatus") == "Complete"}

    with ray_autopilot(api, namespace, run_for=0.2, ending=ending, with_pods=False) as autopilot:
        assert until(lambda: len(ended()) == 19)
        assert KubeRay(api, namespace).state("many-03")[0] == "Suspended"
        api.merge(RAY_JOBS, namespace, "many-03", {"spec": {"suspend": False}})
        assert until(lambda: len(ended()) == 20)
    assert ended() == {name: "STOPPED" if name == "many-07" else "SUCCEEDED" for name in names}
    assert autopilot.failures == []
