"""Both ends of a job: the look at its inputs before anything is booked, and what becomes of it when it is over."""

from tests.operator.cluster_world import World, tiny_job

from gopd_api.inspection import Inspection
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
