"""What status says of a training that goes on: how far it is, and whether it is recorded."""

from typing import Any

import pytest
from tests.operator.cluster_faults import cause
from tests.operator.cluster_world import World, tiny_job

from gopd_operator.core.settings import OperatorSettings


@pytest.fixture
def world() -> World:
    """A training that has reached step 7, recorded in MLflow."""
    world = World(tiny_job(), OperatorSettings(inspect=False, tracking_uri="http://mlflow:5000"))
    world.start()
    world.trains(7, saved=(5,))
    world.settle()
    return world


def says(world: World, **change: Any) -> None:
    """The training's progress, with something else in it."""
    assert world.progress is not None
    world.progress = world.progress.model_copy(update=change)
    world.settle()


def test_an_attempt_shows_what_was_reached_until_it_knows_where_it_starts(world: World) -> None:
    cause(world, "head lost")
    world.settle()
    world.now += 60
    world.settle()
    assert world.attempt == 2
    world.kuberay("Running", "RUNNING")
    world.trains(0, saved=(5,), phase="starting")
    says(world, resumed_from=None, total_steps=0)
    assert world.shown() == "7/10"
    world.trains(5, resumed=5, saved=(5,))
    world.settle()
    assert world.shown() == "5/10"


def test_a_tracker_that_is_not_reached_any_more_is_told_until_it_is(world: World) -> None:
    assert world.condition("TrackingHealthy").status == "True"
    says(world, tracking_healthy=False)
    lost = world.condition("TrackingHealthy")
    assert (lost.status, lost.reason) == ("False", "TrackerUnreachable")
    assert "http://mlflow:5000 is not reached any more" in lost.message
    says(world, tracking_healthy=None)
    assert world.condition("TrackingHealthy").status == "True"
