"""Faults during a real training: each ends Succeeded, with the attempts that it should take, and nothing trained twice
that had been saved.
"""

import os
import signal
import time
from collections.abc import Callable

import pytest
from tests.cluster.api import PODS, RAY_JOBS
from tests.cluster.node.services import KUBERAY_NAMESPACE
from tests.e2e.cluster.installation import MLFLOW, OPERATOR, SYSTEM, Installation, short_job
from tests.e2e.cluster.observing import Followed, head_process

pytestmark = pytest.mark.timeout(3600)
Start = Callable[..., Followed]
AT_ONCE = {"gracePeriodSeconds": 0}


@pytest.fixture
def start(installation: Installation, team: str) -> Start:
    """Apply a short training and wait for its first checkpoint, or as long as is said."""

    def started(name: str, *, checkpoint: int = 2, changes: dict[str, object] | None = None) -> Followed:
        installation.apply(team, short_job(name, changes))
        followed = Followed(installation, team, name)
        followed.wait(f"checkpoint {checkpoint}", lambda: followed.checkpoint() >= checkpoint)
        return followed

    return started


def resumed(followed: Followed) -> None:
    """The job ends well after one attempt that was cut off, and the second went on from a checkpoint."""
    status = followed.wait_for_end()
    first, second = status["attempts"]
    assert first["failure"] is not None
    assert second.get("failure") is None
    assert second["fromStep"] >= first["expects"]
    assert second["fromStep"] >= 2
    assert followed.condition("ResumeVerified")["status"] == "True"


def undisturbed(followed: Followed) -> None:
    """The job ends well in its first attempt: the training has noticed nothing."""
    status = followed.wait_for_end()
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert status["progress"]["display"] == "8/8"


def test_the_operator_is_killed(start: Start, installation: Installation) -> None:
    followed = start("operator-killed")
    pod = installation.pod(SYSTEM, OPERATOR)
    installation.api.delete(PODS, SYSTEM, pod["metadata"]["name"], **AT_ONCE)
    undisturbed(followed)
    assert installation.pod(SYSTEM, OPERATOR)["metadata"]["uid"] != pod["metadata"]["uid"]


def test_the_head_pod_is_killed(start: Start, installation: Installation) -> None:
    followed = start("head-killed")
    (pod,) = followed.pods(part="train")
    installation.api.delete(PODS, followed.namespace, pod["metadata"]["name"], **AT_ONCE)
    status = followed.wait_for_end()
    # KubeRay replaces the head and hands the same job to it: no attempt is used up, and it goes on where it was.
    (attempt,) = status["attempts"]
    assert attempt["fromStep"] >= 2
    assert followed.condition("ResumeVerified")["status"] == "True"


def test_the_training_process_is_killed(start: Start) -> None:
    followed = start("process-killed")
    os.kill(head_process(followed, "gopd_trainer"), signal.SIGKILL)
    resumed(followed)


def test_a_suspended_job_goes_on_where_it_was(start: Start, installation: Installation) -> None:
    followed = start("suspended")
    patch = ("patch", "dj", followed.name, "-n", followed.namespace, "--type", "merge", "-p")
    installation.access.kubectl(*patch, '{"spec":{"lifecycle":{"suspend":true}}}')
    followed.wait("phase Suspended", lambda: followed.phase() == "Suspended")
    followed.wait("machines freed", lambda: followed.pods(part="train") == [])
    saved = followed.checkpoint()
    installation.access.kubectl(*patch, '{"spec":{"lifecycle":{"suspend":false}}}')
    status = followed.wait_for_end()
    first, second = status["attempts"]
    assert first["failure"] == "suspension"
    assert second["fromStep"] >= saved
    assert status.get("failures", {}).get("counted", 0) == 0
    assert followed.condition("ResumeVerified")["status"] == "True"


def test_the_api_server_is_gone_for_a_minute(start: Start, installation: Installation) -> None:
    followed = start("api-server-gone")
    installation.node.plane.stop_api_server(kill=True)
    time.sleep(60)
    installation.node.plane.start_api_server()
    undisturbed(followed)


def test_the_kubelet_is_restarted(start: Start, installation: Installation) -> None:
    followed = start("kubelet-restarted")
    installation.node.workers.kubelet.kill()
    time.sleep(5)
    installation.node.workers.start_kubelet()
    undisturbed(followed)


def test_kuberay_is_restarted(start: Start, installation: Installation) -> None:
    followed = start("kuberay-restarted")
    pod = installation.pod(KUBERAY_NAMESPACE, "app=kuberay-operator")
    installation.api.delete(PODS, KUBERAY_NAMESPACE, pod["metadata"]["name"], **AT_ONCE)
    undisturbed(followed)
    assert len(installation.api.list(RAY_JOBS, followed.namespace, labels=f"gopd.io/job={followed.name}")) == 1


def test_mlflow_is_gone_for_two_minutes(start: Start, installation: Installation) -> None:
    followed = start("mlflow-gone")
    scale = ("scale", "-n", SYSTEM, "deployment/gopd-mlflow")
    installation.access.kubectl(*scale, "--replicas=0")
    try:
        time.sleep(120)
    finally:
        installation.access.kubectl(*scale, "--replicas=1")
    undisturbed(followed)
    installation.access.kubectl("rollout", "status", "-n", SYSTEM, "deployment/gopd-mlflow", "--timeout=110s")
    assert installation.pod(SYSTEM, MLFLOW)
