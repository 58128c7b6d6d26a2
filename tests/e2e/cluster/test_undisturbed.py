"""Faults that a training must not notice, one after the other during a single one: it goes on in its first attempt.

The tests follow each other on the same job. Each does its fault and sees steps come; the last looks at what came of it.
"""

import time
from collections.abc import Callable

import pytest
from tests.cluster.api import RAY_JOBS
from tests.cluster.node.node import Node
from tests.cluster.node.services import KUBERAY_NAMESPACE
from tests.e2e.cluster.faults import kill_pod, scale
from tests.e2e.cluster.installation import OPERATOR, RELEASE, SMALL_EVALUATION, SYSTEM, Installation, short_job
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(1200)
STEPS = 130
"""Of two seconds each on two idle cores: what happens meanwhile takes four minutes there."""
MLFLOW_GONE, API_SERVER_GONE, KUBELET_GONE = 120.0, 60.0, 5.0
CHANGES = {
    "data": {"maxResponseTokens": 64},
    "optimization": {"steps": STEPS, "batchSize": 32, "microBatchSize": 32},
    "checkpoints": {"everySteps": 50},
    "evaluation": SMALL_EVALUATION,
}


@pytest.fixture(scope="module")
def job(installation: Installation, team: str) -> Followed:
    """A training of several minutes, whose machines are not there yet."""
    installation.apply(team, short_job("undisturbed", CHANGES))
    followed = Followed(installation, team, "undisturbed")
    followed.wait("RayJob", lambda: rayjobs(followed) != [])
    return followed


@pytest.fixture(scope="module")
def mlflow_gone_since(job: Followed, installation: Installation) -> float:
    """When MLflow went; the test that needs the moment last brings it back."""
    scale(installation, SYSTEM, f"{RELEASE}-mlflow", 0)
    return time.monotonic()


def rayjobs(followed: Followed) -> list[str]:
    labels = f"gopd.io/job={followed.name}"
    found = followed.installation.api.list(RAY_JOBS, followed.namespace, labels=labels)
    return [one["metadata"]["name"] for one in found]


def goes_on(followed: Followed) -> None:
    """Steps come, and nobody has begun another attempt."""
    followed.trains()
    assert [one["number"] for one in followed.attempts()] == [1]
    assert rayjobs(followed) == ["undisturbed-a1"]
    assert followed.phase() == "Training"
    assert followed.step() < STEPS, "the training is too short for its faults; give it more steps"


def test_the_operator_is_killed_while_machines_are_brought_up(job: Followed, installation: Installation) -> None:
    assert job.step() == 0
    assert job.phase() in ("Pending", "Provisioning")
    kill_pod(installation, SYSTEM, OPERATOR)
    goes_on(job)


@pytest.mark.usefixtures("mlflow_gone_since")
def test_mlflow_goes(job: Followed) -> None:
    goes_on(job)


def test_kuberay_is_killed(job: Followed, installation: Installation) -> None:
    kill_pod(installation, KUBERAY_NAMESPACE, "app.kubernetes.io/name=kuberay-operator")
    goes_on(job)


def test_the_operator_is_killed_in_the_middle_of_a_training(job: Followed, installation: Installation) -> None:
    kill_pod(installation, SYSTEM, OPERATOR)
    goes_on(job)


def test_the_kubelet_is_killed(job: Followed, node: Node) -> None:
    node.workers.kubelet.kill()
    time.sleep(KUBELET_GONE)
    node.workers.start_kubelet()
    goes_on(job)


def test_the_api_server_is_gone_for_a_minute(job: Followed, node: Node) -> None:
    node.plane.stop_api_server(kill=True)
    time.sleep(API_SERVER_GONE)
    node.plane.start_api_server()
    goes_on(job)


def test_mlflow_comes_back_after_two_minutes_and_gets_every_point(
    job: Followed, installation: Installation, mlflow_gone_since: float
) -> None:
    time.sleep(max(0.0, mlflow_gone_since + MLFLOW_GONE - time.monotonic()))
    scale(installation, SYSTEM, f"{RELEASE}-mlflow", 1)
    job.wait("MLflow that answers", lambda: job.run().status() != "")  # its service learns of the pod after all others
    done = job.step()
    job.wait("points of the time without MLflow", lambda: set(range(1, done + 1)) <= set(job.run().steps("kl/teacher")))
    goes_on(job)


def test_the_operator_is_killed_while_the_training_ends(job: Followed, installation: Installation) -> None:
    job.wait("end of the training", lambda: ray_status(job) == "SUCCEEDED")
    kill_pod(installation, SYSTEM, OPERATOR)
    job.wait_for_end()


def ray_status(followed: Followed) -> str:
    found = followed.installation.api.get(RAY_JOBS, followed.namespace, f"{followed.name}-a1")
    return str(found.get("status", {}).get("jobStatus", ""))


def test_the_training_has_noticed_nothing(job: Followed, tell: Callable[[str], None]) -> None:
    status = job.wait_for_end()
    (attempt,) = status["attempts"]
    assert (attempt["number"], attempt.get("failure"), attempt["reason"]) == (1, None, "Completed")
    assert status.get("failures") is None
    assert status["progress"]["display"] == f"{STEPS}/{STEPS}"
    run = job.run()
    assert run.runs_of_job(job.document()["metadata"]["uid"]) == [run.run_id]
    assert run.steps("kl/teacher") == list(range(1, STEPS + 1))
    job.wait("run FINISHED", lambda: run.status() == "FINISHED", 60)
    tell(f"{job.name}: {STEPS} steps in one attempt")
