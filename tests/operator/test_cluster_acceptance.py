"""Both ends of a job: the look at its inputs before anything is booked, and what becomes of it when it is over."""

from tests.operator.cluster_world import World, tiny_job

from gopd_api.inspection import Inspection
from gopd_operator.core.cluster.seen import PodSeen
from gopd_operator.core.settings import OperatorSettings


def test_inputs_are_looked_at_before_anything_is_booked() -> None:
    world = World(tiny_job(), OperatorSettings())
    world.settle()
    assert world.created[-1] == "Job/tiny-inspect"
    assert world.phase() == "Pending"
    world.inspection_says("tiny-inspect", Inspection(prompts=64))
    world.settle()
    assert world.condition("Accepted").status == "True"
    assert world.of("RayJob")


def test_a_look_whose_answer_was_lost_is_made_again_and_only_so_often() -> None:
    world = World(tiny_job(), OperatorSettings())
    for _ in range(2):
        world.settle()
        world.inspection_says("tiny-inspect", Inspection(prompts=64))
        world.pods.clear()
        world.act(most=1)
        assert "Job/tiny-inspect" in {f"{kind}/{name}" for kind, name in world.objects}, "the status is written first"
    world.settle()
    assert world.phase() == "Pending"
    assert world.created.count("Job/tiny-inspect") == 3
    world.inspection_says("tiny-inspect", Inspection(prompts=64))
    world.pods.clear()
    world.act()
    assert (world.phase(), world.condition("Failed").reason) == ("Failed", "InspectionUnread")


def test_a_look_that_is_made_again_and_answers_lets_the_job_start() -> None:
    world = World(tiny_job(), OperatorSettings())
    world.settle()
    world.inspection_says("tiny-inspect", Inspection(prompts=64))
    world.pods.clear()
    world.settle()
    world.inspection_says("tiny-inspect", Inspection(prompts=64))
    world.settle()
    assert world.condition("Accepted").status == "True"
    assert world.of("RayJob")


def test_a_look_whose_pod_no_node_takes_says_so_until_one_does() -> None:
    world = World(tiny_job(), OperatorSettings())
    world.settle()
    world.pods["tiny-inspect"] = [PodSeen("tiny-pod", head=False, phase="Pending", unplaced="no node has that label")]
    world.settle()
    accepted = world.condition("Accepted")
    assert (accepted.status, accepted.reason) == ("Unknown", "Unschedulable")
    assert "no node takes pod tiny-pod: no node has that label" in accepted.message
    world.pods["tiny-inspect"] = [PodSeen("tiny-pod", head=False, phase="Running")]
    world.settle()
    assert (world.condition("Accepted").reason, world.condition("Accepted").message) == (
        "Inspecting",
        "models and data are looked at",
    )


def test_refused_inputs_make_the_job_invalid_with_every_fault() -> None:
    world = World(tiny_job(), OperatorSettings())
    world.settle()
    world.inspection_says("tiny-inspect", Inspection(faults=["spec.data.train: no file", "spec.student.model: none"]))
    world.settle()
    assert world.phase() == "Invalid"
    accepted = world.condition("Accepted")
    assert (accepted.status, accepted.reason) == ("False", "InputsRefused")
    assert "no file" in accepted.message
    assert "none" in accepted.message
    assert not world.of("RayJob")


def test_a_job_without_a_volume_is_invalid() -> None:
    world = World(tiny_job(storage={}))
    world.settle()
    assert (world.phase(), world.condition("Accepted").reason) == ("Invalid", "NoStorage")


def test_a_job_that_is_being_deleted_is_left_alone() -> None:
    world = World(tiny_job())
    world.start()
    metadata = world.job.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
    world.job = world.job.model_copy(update={"metadata": metadata})
    world.objects.pop(("RayJob", "tiny-a1"))
    assert world.act() == 0


def test_a_finished_job_is_deleted_when_its_time_to_live_has_passed() -> None:
    world = World(tiny_job())
    world.change(ttlSecondsAfterFinished=100)
    world.start()
    world.succeed()
    world.now += 99
    world.settle()
    assert not world.deleted
    world.now += 1
    world.act()
    assert world.deleted
