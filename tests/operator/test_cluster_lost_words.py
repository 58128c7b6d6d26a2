"""Measurements that completed and whose pods were gone before their words were read."""

import copy

import pytest
from tests.operator.cluster_world import World, tiny_job


@pytest.fixture
def world() -> World:
    """A job whose start is being graded."""
    world = World(tiny_job())
    world.settle()
    world.job_ends("tiny-start-gen")
    world.settle()
    return world


def lose(world: World, name: str = "tiny-start-grade") -> None:
    """The Job completes, and its pod is collected."""
    world.job_ends(name, scores=1)
    world.pods.pop(name)


def test_a_grading_whose_words_were_lost_is_run_again_and_its_scores_are_kept(world: World) -> None:
    lose(world)
    world.settle()
    assert world.created.count("Job/tiny-start-grade") == 2
    world.job_ends("tiny-start-grade", scores=1)
    world.settle()
    assert [one.subject for one in world.training().evaluations] == ["step-0"]
    assert [(one.name, one.phase) for one in world.status.children] == [
        ("tiny-start-gen", "Complete"),
        ("tiny-start-grade", "Lost"),
        ("tiny-start-grade", "Complete"),
    ]


def test_each_lost_job_is_counted_once_however_often_it_is_looked_at(world: World) -> None:
    lose(world)
    known = copy.deepcopy(world.objects["Job", "tiny-start-grade"])
    for _ in range(3):
        world.act(most=1)  # the status is written, and then the operator dies
        world.objects["Job", "tiny-start-grade"] = copy.deepcopy(known)  # or its watch is behind
    assert [one.phase for one in world.status.children] == ["Complete", "Lost"]
    world.act()
    world.finish_deletions()
    world.settle()
    assert world.created.count("Job/tiny-start-grade") == 2


def test_words_that_are_lost_each_time_fail_the_job_at_its_end(world: World) -> None:
    for _ in range(3):
        lose(world)
        world.settle()
    assert world.created.count("Job/tiny-start-grade") == 3
    world.kuberay("Running", "RUNNING")
    world.succeed()
    failed = world.condition("Failed")
    assert (failed.status, failed.reason) == ("True", "EvaluationUnread")
    assert "completed 3 times" in failed.message


def test_a_generation_needs_no_words(world: World) -> None:
    assert world.created.count("Job/tiny-start-gen") == 1
    world.kuberay("Running", "RUNNING")
    world.trains(10, saved=(5, 10), phase="finished")
    world.reports("succeeded")
    world.kuberay("Complete", "SUCCEEDED")
    world.settle()
    lose(world, "tiny-end-gen")
    world.measure_all()
    assert world.phase() == "Succeeded"
    assert world.created.count("Job/tiny-end-gen") == 1
