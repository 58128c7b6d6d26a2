"""What happens before anything is booked: the look at models and data, and what it may refuse."""

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
