"""What the operator's core decides in each situation, on a cluster in memory."""

from typing import Any

import pytest
from tests.operator.cluster_faults import cause
from tests.operator.cluster_world import World, tiny_job

from gopd_operator.core.settings import OperatorSettings


@pytest.fixture
def world() -> World:
    return World(tiny_job())


def test_a_job_goes_from_nothing_to_succeeded(world: World) -> None:
    world.settle()
    assert world.phase() == "Provisioning"
    world.kuberay("Initializing")
    world.settle()
    world.kuberay("Running", "RUNNING")
    world.trains(3)
    world.measure_all()
    assert (world.phase(), world.shown()) == ("Training", "3/10")
    world.succeed()
    assert world.phase() == "Succeeded"
    assert world.condition("Complete").status == "True"
    assert world.condition("EvaluationComplete").status == "True"
    assert [one.step for one in world.training().checkpoints] == [5, 10]
    assert len(world.attempts) == 1
    jobs = [name for name in world.created if name.startswith("Job/")]
    assert jobs == ["Job/tiny-start-gen", "Job/tiny-start-grade", "Job/tiny-end-gen", "Job/tiny-end-grade",
                    "Job/tiny-compare-cmp"]  # fmt: skip


def test_nothing_is_written_when_nothing_has_changed(world: World) -> None:
    world.start()
    written = world.written
    for _ in range(100):
        world.now += 1
        assert world.act() == 0
    assert world.written == written


def test_status_is_written_before_the_attempts_objects_are_created(world: World) -> None:
    (kind, status), *_ = world.effects(world.decide())
    assert (kind, status.attempts[0].name) == ("status", "tiny-a1")
    world.act(most=1)
    assert world.attempts
    assert not world.of("RayJob")
    world.settle()
    assert len(world.of("RayJob")) == 1


TABLE: list[tuple[str, dict[str, Any]]] = [
    ("application error", {"class": "application", "reason": "AppFailed", "counted": 1}),
    ("report of an error", {"class": "application", "reason": "FailedSamples", "counted": 1}),
    ("out of memory", {"class": "memory", "reason": "OutOfMemory", "counted": 1}),
    ("out of memory by the report", {"class": "memory", "reason": "OutOfMemory", "counted": 1}),
    ("head lost", {"class": "infrastructure", "reason": "HeadLost", "counted": 0}),
    ("worker lost", {"class": "infrastructure", "reason": "WorkerLost", "counted": 0}),
    ("worker replaced", {"class": "infrastructure", "reason": "WorkerLost", "counted": 0}),
    ("worker lost, and the training hangs", {"class": "infrastructure", "reason": "WorkerLost", "counted": 0}),
    ("dashboard unreachable", {"class": "infrastructure", "reason": "DashboardUnreachable", "counted": 0}),
    ("preemption", {"class": "preemption", "reason": "Preempted", "counted": 0}),
    ("STOPPED as Complete", {"class": "infrastructure", "reason": "StoppedFromOutside", "counted": 0}),
    ("deleted by somebody", {"class": "infrastructure", "reason": "Lost", "counted": 0}),
    ("image", {"class": "image", "reason": "ImagePullFailed", "counted": 1}),
    ("missing secret", {"class": "application", "reason": "ContainerNotCreated", "counted": 1}),
    ("missing volume", {"class": "infrastructure", "reason": "PodNotPrepared", "counted": 0}),
    ("stall", {"class": "stall", "reason": "Stalled", "counted": 1}),
    ("stall by the report", {"class": "stall", "reason": "Stalled", "counted": 1}),
    ("no report", {"class": "application", "reason": "NoReport", "counted": 1}),
]


@pytest.mark.parametrize(("fault", "stated"), TABLE, ids=[name for name, _ in TABLE])
def test_each_fault_has_its_class_its_count_and_another_attempt(
    world: World, fault: str, stated: dict[str, Any]
) -> None:
    world.start()
    cause(world, fault)
    world.act()
    first = world.attempts[0]
    assert (first.failure, first.reason) == (stated["class"], stated["reason"])
    failures = world.training().failures
    assert failures is not None
    assert (failures.counted, failures.uncounted) == (stated["counted"], 1 - stated["counted"])
    world.settle()
    assert not world.of("RayJob"), "the backoff is kept, and the last attempt's machines are freed"
    world.now += 30
    world.pods.clear()
    world.settle()
    assert world.attempt == 2
    assert [one.number for one in world.attempts] == [1, 2]


def test_backoff_doubles_and_the_budget_ends(world: World) -> None:
    world.start()
    for number, wait in ((1, 30), (2, 60)):
        cause(world, "application error")
        world.settle()
        world.now += wait - 1
        world.settle()
        assert not world.of("RayJob")
        world.now += 1
        world.settle()
        assert world.attempt == number + 1
        world.kuberay("Running", "RUNNING")
        world.settle()
    cause(world, "application error")
    world.settle()
    assert world.phase() == "Failed"
    failed = world.condition("Failed")
    assert (failed.status, failed.reason) == ("True", "AppFailed")
    assert "3 attempts" in failed.message


def test_infrastructure_faults_do_not_eat_the_budget(world: World) -> None:
    world.start()
    for _ in range(10):
        cause(world, "head lost")
        world.settle()
        world.now += 1800
        world.pods.clear()
        world.settle()
        world.kuberay("Running", "RUNNING")
        world.settle()
    assert world.attempt == 11
    assert world.phase() == "Training"
    world.succeed()
    assert world.phase() == "Succeeded"


def test_a_refused_rayjob_is_final_and_says_what_kuberay_said(world: World) -> None:
    world.settle()
    world.kuberay("ValidationFailed", reason="ValidationFailed", message="headGroupSpec is wrong")
    world.settle()
    assert world.phase() == "Failed"
    assert "headGroupSpec is wrong" in world.condition("Failed").message


def test_wrong_input_found_by_the_training_is_final(world: World) -> None:
    world.start()
    world.reports("failed", "InvalidInput", "teachers[0].model: its tokenizer is another one")
    world.kuberay("Failed", "FAILED", reason="AppFailed")
    world.settle()
    assert (world.phase(), len(world.attempts)) == ("Failed", 1)
    assert "tokenizer" in world.condition("Failed").message


def test_a_report_answers_the_request_that_its_attempt_was_made_for_whatever_is_planned_since(world: World) -> None:
    world.start()
    world.settings = OperatorSettings(inspect=False, tracking_uri="http://elsewhere:5000")
    world.succeed()
    assert (world.phase(), len(world.attempts)) == ("Succeeded", 1)


def test_a_report_on_another_request_is_none(world: World) -> None:
    world.start()
    world.trains(10, saved=(5, 10), phase="finished")
    world.reports("succeeded")
    assert world.report is not None
    world.report = world.report.model_copy(update={"request_digest": "sha256:" + "0" * 64})
    world.kuberay("Complete", "SUCCEEDED")
    world.now += 61
    world.settle()
    assert world.attempts[0].reason == "NoReport"


def test_a_queue_that_never_admits_keeps_the_job_queued_until_its_deadline() -> None:
    world = World(tiny_job(scheduling={"queue": "gpu"}, lifecycle={"activeDeadlineSeconds": 3600}))
    world.settle()
    assert world.rayjob["spec"]["suspend"] is True
    world.kuberay("Suspended")
    world.settle()
    assert world.phase() == "Queued"
    world.now += 3600 + 61
    world.settle()
    assert world.phase() == "Failed"
    assert world.condition("Failed").reason == "DeadlineExceeded"
    assert world.rayjobs_alive() == []


def test_a_queue_that_takes_quota_back_keeps_the_attempt(world: World) -> None:
    world.start()
    world.rayjob["spec"]["suspend"] = True
    world.kuberay("Suspended")
    world.settle()
    assert (world.phase(), len(world.attempts)) == ("Queued", 1)
    world.now += 86400
    world.rayjob["spec"]["suspend"] = False
    world.kuberay("Initializing")
    world.kuberay("Running", "RUNNING")
    world.settle()
    assert (world.phase(), len(world.attempts)) == ("Training", 1), "old silence is no stall"


def test_an_attempt_that_a_queue_started_anew_has_time_to_load_its_models() -> None:
    world = World(tiny_job(lifecycle={"stallAfterSeconds": 30}))
    world.start()
    world.rayjob["spec"]["suspend"] = True
    world.kuberay("Suspended")
    world.settle()
    world.now += 5000
    world.rayjob["spec"]["suspend"] = False
    world.kuberay("Initializing")
    world.kuberay("Running", "RUNNING")
    world.settle()
    world.now += 600
    world.settle()
    assert (world.phase(), len(world.attempts)) == ("Training", 1)
    world.now += 1801
    world.act()
    assert world.attempts[0].failure == "stall"


def test_a_stalled_training_has_time_to_end_itself_before_it_is_ended_from_outside(world: World) -> None:
    world.start()
    world.trains(5, saved=(5,))
    world.settle()
    limit = world.job.spec.lifecycle.stall_after_seconds + world.settings.patience.stall_seconds
    world.now += limit - 1
    world.settle()
    assert (world.phase(), world.attempts[0].failure) == ("Training", None)
    world.now += 2
    world.act()
    assert world.attempts[0].failure == "stall"


def test_suspend_frees_the_machines_and_resume_goes_on(world: World) -> None:
    world.start()
    world.trains(5, saved=(5,))
    world.settle()
    world.change(suspend=True)
    world.settle()
    assert (world.phase(), world.of("RayJob")) == ("Suspended", [])
    world.now += 1000
    world.settle()
    world.change(suspend=False)
    world.settle()
    assert world.attempt == 2
    assert world.attempts[1].expects == 5
    world.kuberay("Running", "RUNNING")
    world.trains(6, resumed=5, saved=(5,))
    world.settle()
    assert world.condition("ResumeVerified").status == "True"
    assert world.training().failures is None


def test_suspended_while_starting(world: World) -> None:
    world.act(most=1)
    world.change(suspend=True)
    world.settle()
    assert (world.phase(), world.of("RayJob")) == ("Suspended", [])


def test_an_attempt_that_starts_below_the_last_checkpoint_is_told(world: World) -> None:
    world.start()
    world.trains(5, saved=(5,))
    world.settle()
    cause(world, "head lost")
    world.settle()
    world.now += 60
    world.settle()
    world.kuberay("Running", "RUNNING")
    world.trains(1, resumed=0)
    world.settle()
    claim = world.condition("ResumeVerified")
    assert (claim.status, claim.reason) == ("False", "StartedBelowCheckpoint")


def test_an_evaluation_that_fails_does_not_stop_training_and_fails_the_job(world: World) -> None:
    world.settle()
    world.job_ends("tiny-start-gen", good=False, message="tasks[0].data: no file")
    world.settle()
    world.kuberay("Running", "RUNNING")
    world.trains(1)
    world.settle()
    assert world.phase() == "Training"
    world.succeed()
    assert world.phase() == "Failed"
    assert "no file" in world.condition("Failed").message
    assert world.condition("Failed").reason.startswith("Evaluation")
