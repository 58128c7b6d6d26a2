"""The operator on a real API server, with the permissions of its chart: whole lives of jobs, and every fault."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.apiserver.stage import Stage
from tests.cluster import ray_faults
from tests.cluster.api import DISTILLATION_JOBS, EVAL_JOBS, JOBS, RAY_JOBS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kueue import Kueue
from tests.cluster.ray_autopilot import ray_autopilot

pytestmark = pytest.mark.timeout(300)
QUICK: dict[str, Any] = {"lifecycle": {"backoff": {"initialSeconds": 1, "maxSeconds": 4}}}
PATIENCE = {"imageSeconds": 2, "reportSeconds": 10, "startSeconds": 1800, "stallSeconds": 3}


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """One operator for all namespaces, gone when other tests start theirs."""
    folder = tmp_path_factory.mktemp("operator")
    grant(control_plane, None, folder / "access.yaml")
    kubeconfig = control_plane.account_kubeconfig(HOME, ACCOUNT)
    with OperatorProcess(kubeconfig, folder, patience=PATIENCE) as running:
        yield running


@pytest.fixture
def stage(control_plane: ControlPlane, operator: OperatorProcess, namespace: str) -> Iterator[Stage]:
    """A namespace where Jobs complete by themselves and deleted RayJobs go; RayJobs are moved by the test."""
    made = Stage(control_plane, namespace)
    with made.kubelet.autopilot(made.answer), ray_autopilot(made.api, namespace, only_deletions=True):
        yield made


def running(stage: Stage, **spec: Any) -> str:
    """The first attempt of a job, which runs and has saved the checkpoint of step 5."""
    stage.apply(**(QUICK | spec))
    rayjob = stage.wait_attempt(1)
    stage.ray.start(rayjob)
    stage.trains(rayjob, 5, saved=(5,))
    stage.wait_phase("Training")
    stage.until(lambda: stage.status().get("checkpoints"), "a checkpoint")
    return rayjob


def test_the_papers_example_goes_from_pending_to_succeeded(stage: Stage) -> None:
    stage.control_plane.kubectl("apply", "-n", stage.namespace, "-f", "examples/exopd.yaml")
    rayjob = stage.wait_attempt(1, "exopd")
    stage.wait_phase("Provisioning", name="exopd")
    stage.ray.start(rayjob)
    stage.trains(rayjob, 7, saved=())
    stage.wait_phase("Training", name="exopd")
    stage.until(lambda: stage.status("exopd").get("progress", {}).get("display") == "7/50", "progress")
    saved = tuple(range(10, 51, 10))
    stage.trains(rayjob, 50, saved=saved, phase="finished")
    stage.reports(rayjob, "succeeded")
    stage.ray.succeed(rayjob)
    stage.wait_phase("Succeeded", name="exopd", seconds=90)
    status = stage.status("exopd")
    assert [one["step"] for one in status["checkpoints"]] == list(saved)
    assert {one["subject"] for one in status["evaluations"]} >= {"start", "step-10", "step-40", "after", "compare"}
    table = stage.control_plane.kubectl("get", "dj,ej", "-n", stage.namespace).stdout
    assert "Succeeded" in table
    assert "PHASE" in table
    names = {one["metadata"]["name"] for one in stage.api.list(JOBS, stage.namespace)}
    assert {"exopd-start-gen", "exopd-step-10-gen", "exopd-end-grade", "exopd-compare-cmp"} <= names


def test_inputs_are_looked_at_first_where_the_installation_says_so(
    stage: Stage, control_plane: ControlPlane, tmp_path: Path, operator: OperatorProcess
) -> None:
    """A second operator, with inspection, in a namespace of its own; the first one is paused meanwhile."""
    operator.stop()
    try:
        kubeconfig = control_plane.account_kubeconfig(HOME, ACCOUNT)
        with OperatorProcess(kubeconfig, tmp_path, inspect=True, namespaces=[stage.namespace]):
            stage.apply()
            stage.wait_attempt(1)
            assert any(one["metadata"]["name"] == "tiny-inspect" for one in stage.api.list(JOBS, stage.namespace))
            assert stage.condition("Accepted")["status"] == "True"
    finally:
        operator.start()


def test_the_trainings_own_words_are_believed_before_kuberays(stage: Stage) -> None:
    """Stalled and out of memory are counted and tried again; wrong input is final."""
    rayjob = running(stage)
    for number, (reason, failure) in enumerate([("Stalled", "stall"), ("OutOfMemory", "memory")], 1):
        stage.reports(rayjob, "failed", reason, "why")
        ray_faults.application_error(stage.ray, rayjob)
        rayjob = stage.wait_attempt(number + 1)
        assert stage.status()["attempts"][number - 1]["failure"] == failure
        stage.ray.start(rayjob)
        stage.trains(rayjob, 5, resumed=5, saved=(5,))
    stage.reports(rayjob, "failed", "InvalidInput", "teachers[0].model: its tokenizer is another one; name another")
    ray_faults.application_error(stage.ray, rayjob)
    stage.wait_phase("Failed")
    assert stage.condition("Failed")["reason"] == "InvalidInput"
    assert "tokenizer" in stage.condition("Failed")["message"]


FAULTS: dict[str, tuple[Any, str, str]] = {
    "application error": (ray_faults.application_error, "application", "AppFailed"),
    "out of memory": (ray_faults.out_of_memory, "memory", "OutOfMemory"),
    "worker lost": (ray_faults.worker_lost, "preemption", "Preempted"),
    "worker replaced": (ray_faults.worker_replaced, "infrastructure", "WorkerLost"),
    "dashboard unreachable": (ray_faults.dashboard_unreachable, "infrastructure", "DashboardUnreachable"),
    "preemption": (ray_faults.pods_preempted, "preemption", "Preempted"),
    "STOPPED as Complete": (ray_faults.stopped, "infrastructure", "StoppedFromOutside"),
}
COUNTED = {"application", "memory", "stall", "image"}
TWO_NODES = {"compute": {"accelerator": "gpu", "nodes": 2, "gpusPerNode": 4}}
OUTLIVED = dict.fromkeys(("out of memory", "worker lost", "preemption"), ray_faults.ACTOR_DIED)
OUTLIVED["worker replaced"] = f"{ray_faults.ACTOR_DIED} ... {ray_faults.NODE_DIED}"
"""What the training on the head, which lives, reports of a worker's end."""


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_class_and_the_next_attempt_resumes(stage: Stage, fault: str) -> None:
    happens, failure, reason = FAULTS[fault]
    rayjob = running(stage, **(TWO_NODES if fault in OUTLIVED else {}))
    if fault in OUTLIVED:
        stage.reports(rayjob, "failed", "Error", OUTLIVED[fault])
    happens(stage.ray, rayjob)
    second = stage.wait_attempt(2)
    status = stage.status()
    first = status["attempts"][0]
    assert (first["failure"], first["reason"]) == (failure, reason)
    assert status["failures"]["counted"] == (failure in COUNTED)
    assert [one["metadata"]["name"] for one in stage.rayjobs()] == [second]
    stage.ray.start(second)
    stage.trains(second, 6, resumed=5, saved=(5,))
    stage.until(lambda: stage.condition("ResumeVerified"), "ResumeVerified")
    assert stage.condition("ResumeVerified")["status"] == "True"
    stage.succeed(second)
    stage.wait_phase("Succeeded", seconds=60)


def test_a_training_that_falls_silent_is_ended_from_outside_and_started_again(stage: Stage) -> None:
    """Its own watchdog would have ended it by then: the process hangs, or its node is gone."""
    rayjob = running(stage, lifecycle={**QUICK["lifecycle"], "stallAfterSeconds": 30})
    second = stage.wait_attempt(2, seconds=120)
    first = stage.status()["attempts"][0]
    assert (first["failure"], first["reason"]) == ("stall", "Stalled")
    assert stage.status()["failures"]["counted"] == 1
    assert "Stalled" in stage.events()
    assert [one["metadata"]["name"] for one in stage.rayjobs()] == [second] != [rayjob]


def test_a_head_that_is_lost_is_started_again_in_its_place(stage: Stage) -> None:
    rayjob = running(stage)
    ray_faults.head_lost(stage.ray, rayjob)
    stage.trains(rayjob, 5, resumed=5, saved=(5,))
    stage.until(lambda: stage.condition("ResumeVerified").get("status") == "True", "ResumeVerified")
    assert len(stage.status()["attempts"]) == 1
    stage.succeed(rayjob)
    stage.wait_phase("Succeeded", seconds=60)


def test_an_attempt_below_the_last_checkpoint_is_told_by_condition_and_event(stage: Stage) -> None:
    rayjob = running(stage)
    ray_faults.dashboard_unreachable(stage.ray, rayjob)
    second = stage.wait_attempt(2)
    stage.ray.start(second)
    stage.trains(second, 1, resumed=0)
    stage.until(lambda: stage.condition("ResumeVerified").get("status") == "False", "ResumeVerified=False")
    stage.until(lambda: "StartedBelowCheckpoint" in stage.events(), "the event")


def test_a_refused_rayjob_fails_the_job_with_kuberays_words(stage: Stage) -> None:
    stage.apply(**QUICK)
    rayjob = stage.wait_attempt(1)
    ray_faults.validation_failed(stage.ray, rayjob, "headGroupSpec is not right")
    stage.wait_phase("Failed")
    assert stage.condition("Failed")["reason"] == "ValidationFailed"
    assert "headGroupSpec is not right" in stage.condition("Failed")["message"]
    assert len(stage.status()["attempts"]) == 1


def test_an_image_that_cannot_be_pulled_is_named(stage: Stage) -> None:
    stage.apply(lifecycle={"maxAttempts": 1})
    rayjob = stage.wait_attempt(1)
    ray_faults.image_cannot_be_pulled(stage.ray, rayjob, "repository does not exist")
    stage.wait_phase("Failed", seconds=60)
    failed = stage.condition("Failed")
    assert failed["reason"] == "ImagePullFailed"
    assert "repository does not exist" in failed["message"]


def test_the_budget_of_attempts_ends_a_job_and_keeps_the_last_words(stage: Stage) -> None:
    stage.apply(lifecycle={"maxAttempts": 2, "backoff": {"initialSeconds": 1, "maxSeconds": 1}})
    for number in (1, 2):
        rayjob = stage.wait_attempt(number)
        stage.ray.start(rayjob)
        ray_faults.application_error(stage.ray, rayjob, "ValueError: not finite")
    stage.wait_phase("Failed")
    assert "not finite" in stage.condition("Failed")["message"]
    assert stage.status()["failures"]["counted"] == 2


def test_quota_that_is_never_granted_keeps_the_job_queued_and_a_mutating_queue_is_left_alone(stage: Stage) -> None:
    stage.apply(scheduling={"queue": "gpu"}, **QUICK)
    rayjob, kueue = stage.wait_attempt(1), Kueue(stage.api, stage.namespace)
    kueue.hold(rayjob)
    stage.wait_phase("Queued")
    kueue.flip(rayjob, 10)
    kueue.hold(rayjob)
    kueue.admit(rayjob)
    managers = {
        one["operation"]
        for one in stage.ray.get(rayjob)["metadata"]["managedFields"]
        if one["manager"].startswith("Python") and one.get("subresource") is None
    }
    assert managers <= {"Update"}
    before = stage.ray.get(rayjob)["metadata"]["generation"]
    stage.ray.start(rayjob)
    stage.trains(rayjob, 5, saved=(5,))
    stage.wait_phase("Training")
    kueue.preempt(rayjob)
    stage.wait_phase("Queued")
    assert stage.ray.get(rayjob)["metadata"]["generation"] == before + 1, "only the queue has written the spec"
    assert len(stage.status()["attempts"]) == 1


def test_suspend_and_resume(stage: Stage) -> None:
    running(stage)
    stage.suspend(True)
    stage.wait_phase("Suspended")
    stage.until(lambda: not stage.rayjobs(), "no RayJob is left")
    stage.suspend(False)
    second = stage.wait_attempt(2)
    stage.ray.start(second)
    stage.trains(second, 6, resumed=5, saved=(5,))
    stage.until(lambda: stage.condition("ResumeVerified").get("status") == "True", "ResumeVerified")
    assert "failures" not in stage.status()


def test_suspended_while_starting_leaves_nothing_behind(stage: Stage) -> None:
    stage.apply(**QUICK)
    stage.suspend(True)
    stage.wait_phase("Suspended")
    stage.until(lambda: not stage.rayjobs(), "no RayJob is left")


def test_deleted_while_running_takes_everything_with_it(stage: Stage) -> None:
    running(stage)
    stage.api.delete(DISTILLATION_JOBS, stage.namespace, "tiny")
    stage.until(lambda: not stage.rayjobs() and not stage.api.list(JOBS, stage.namespace), "all children are gone", 60)
    again = stage.apply(**QUICK)
    stage.wait_attempt(1)
    found = stage.until(lambda: stage.status().get("attempts"), "an attempt of the new job")
    assert again["metadata"]["uid"] in str(stage.ray.get(found[0]["name"])["metadata"]["ownerReferences"])


def test_a_deadline_ends_the_job(stage: Stage) -> None:
    stage.apply(lifecycle={"activeDeadlineSeconds": 60, "backoff": {"initialSeconds": 1, "maxSeconds": 1}})
    rayjob = stage.wait_attempt(1)
    assert stage.ray.get(rayjob)["spec"]["activeDeadlineSeconds"] <= 120
    assert stage.request(rayjob).limits.save_before_unix is not None
    stage.ray.start(rayjob)
    ray_faults.deadline_exceeded(stage.ray, rayjob)
    stage.wait_phase("Failed")
    assert stage.condition("Failed")["reason"] == "DeadlineExceeded"


def test_a_sweep_makes_its_children_and_one_comparison(stage: Stage) -> None:
    stage.apply(
        teachers=[{"name": "algebra", "model": "models/tiny-algebra"}],
        sweep={"rewardScale": [1.0, 1.25], "maxParallel": 2},
        **QUICK,
    )
    for short in ("s1-seed42", "s1p25-seed42"):
        name = f"tiny-{short}"
        rayjob = stage.wait_attempt(1, name)
        stage.ray.start(rayjob)
        stage.succeed(rayjob)
    stage.wait_phase("Succeeded", name="tiny-s1-seed42", seconds=60)
    stage.wait_phase("Succeeded", name="tiny", kind=EVAL_JOBS, seconds=60)
    stage.wait_phase("Succeeded", seconds=60)
    assert {one["name"] for one in stage.status()["children"]} == {"tiny-s1-seed42", "tiny-s1p25-seed42", "tiny"}


def test_the_training_may_write_its_progress_and_nothing_else(stage: Stage) -> None:
    rayjob = running(stage)
    account = stage.ray.get(rayjob)["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["serviceAccountName"]
    who = f"--as=system:serviceaccount:{stage.namespace}:{account}"

    def may(*what: str) -> bool:
        asked = stage.control_plane.kubectl("auth", "can-i", *what, "-n", stage.namespace, who, check=False)
        return asked.stdout.strip() == "yes"

    assert may("patch", f"configmaps/{account}")
    for verb, what in [("patch", "configmaps/other"), ("list", "configmaps"), ("create", "pods"), ("get", "secrets")]:
        assert not may(verb, what), f"{verb} {what}"
    assert stage.api.list(RAY_JOBS, stage.namespace)
