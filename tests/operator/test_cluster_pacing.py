"""What waits while other jobs have had nothing yet, and that nothing of it is lost."""

from dataclasses import replace

import pytest
from tests.operator.cluster_world import World, tiny_job

from gopd_operator.core.cluster.decision import Decision
from gopd_operator.core.cluster.pacing import (
    BACKLOG,
    CREATED_SECONDS,
    WRITTEN_SECONDS,
    Crowd,
    Extent,
    extent,
    next_look,
    waves,
)

MEASURED = {"evaluation": {"tasks": [{"benchmark": "math", "data": "/d.jsonl"}], "at": ["start", "end"]}}


def first_decision() -> Decision:
    """The first decision on a job that trains and is measured at the start."""
    return World(tiny_job(**MEASURED)).decide()


@pytest.mark.parametrize(
    ("first", "crowd", "expected"),
    [
        (True, Crowd(), "all"),
        (True, Crowd(unanswered=1), "urgent"),
        (True, Crowd(unanswered=BACKLOG), "urgent"),
        (True, Crowd(unanswered=BACKLOG + 1), "answer"),
        (True, Crowd(pressed=True), "urgent"),
        (False, Crowd(unanswered=BACKLOG + 1), "urgent"),
        (False, Crowd(), "all"),
        (False, Crowd(pressed=True, calm=True), "urgent"),
    ],
)
def test_a_turn_is_as_long_as_the_other_jobs_allow(first: bool, crowd: Crowd, expected: Extent) -> None:
    assert extent(first_decision(), crowd, first=first) == expected


def test_a_decision_with_nothing_that_can_wait_is_carried_out_whole() -> None:
    assert extent(replace(first_decision(), later=()), Crowd(pressed=True), first=False) == "all"


@pytest.mark.parametrize(
    ("crowd", "expected"),
    [
        (Crowd(), "all"),
        (Crowd(pressed=True), "nothing"),
        (Crowd(unanswered=1), "nothing"),
        (Crowd(pressed=True, calm=True), "all"),
    ],
)
def test_permissions_wait_for_the_other_jobs_once_and_not_for_ever(crowd: Crowd, expected: Extent) -> None:
    world = World(tiny_job())
    world.act()
    assert {one["kind"] for one in world.decide().before} == {"Role", "RoleBinding"}
    assert extent(world.decide(), crowd, first=False) == expected


def test_the_rayjob_is_created_before_its_permissions_and_any_measurement() -> None:
    world = World(tiny_job(**MEASURED))
    decision = world.decide()
    assert decision.creates[-1]["kind"] == "RayJob"
    assert "Job" in {one["kind"] for one in decision.later}
    world.settle()
    made = [name.partition("/")[0] for name in world.created]
    assert made.index("RayJob") < made.index("Role") < made.index("RoleBinding")


def test_a_rayjob_comes_after_all_that_its_pods_need_and_a_binding_after_its_role() -> None:
    world = World(tiny_job(**MEASURED))
    decision = world.decide()
    world.act()
    made = list(waves((*decision.creates, *decision.later, *world.decide().before)))
    kinds = [sorted(one["kind"] for one in wave) for wave in made]
    assert kinds == [
        ["ConfigMap", "ConfigMap", "ConfigMap", "Role", "ServiceAccount"],
        ["RoleBinding"],
        ["RayJob"],
        ["Job"],
    ]


def test_what_was_postponed_is_decided_on_again_once_the_training_is_there() -> None:
    world = World(tiny_job(**MEASURED))
    postponed = [one["metadata"]["name"] for one in world.decide().later]
    world.act(1 + len(world.decide().creates))  # the status and what is urgent
    assert [one["metadata"]["name"] for one in world.decide().creates] == postponed


def test_the_next_look_comes_sooner_after_a_status_than_after_a_creation() -> None:
    decision, now = first_decision(), 1000.0
    assert next_look(replace(decision, again_at=None), now, written=True) == CREATED_SECONDS
    bare = replace(decision, creates=(), later=(), again_at=None)
    assert next_look(bare, now, written=True) == WRITTEN_SECONDS
    assert next_look(bare, now, written=False) is None
    assert next_look(replace(bare, again_at=now + 3), now, written=False) == pytest.approx(3.0)
    assert next_look(replace(bare, again_at=now - 3), now, written=False) == pytest.approx(0.1)
