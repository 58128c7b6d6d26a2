"""What the operator's cache calls news: each change once for whoever did not make it, and no older version ever."""

from typing import Any

from gopd_operator.core.cluster.names import Key
from gopd_operator.shell.cluster.cache import Cache
from gopd_operator.shell.cluster.resources import DISTILLATION_JOB, EVAL_JOB

CHILD, SWEEP = Key("DistillationJob", "team", "sweep-s1"), Key("DistillationJob", "team", "sweep")
FOLLOWER = Key("EvalJob", "team", "compare")


def child(version: int, phase: str | None = None, generation: int = 1, observed: int | None = None) -> dict[str, Any]:
    """A job that a sweep made."""
    meta = {"name": "sweep-s1", "namespace": "team", "uid": "u1", "resourceVersion": str(version)}
    status = {"phase": phase, "observedGeneration": observed} if phase else {}
    return {
        "kind": "DistillationJob",
        "metadata": {**meta, "generation": generation, "labels": {"gopd.io/sweep": "sweep"}},
        "spec": {},
        "status": status,
    }


def follower() -> dict[str, Any]:
    meta = {"name": "compare", "namespace": "team", "uid": "u2", "resourceVersion": "1"}
    subjects = [{"name": "one", "distillationJob": {"name": "sweep-s1"}}]
    return {"kind": "EvalJob", "metadata": meta, "spec": {"subjects": subjects}}


def test_a_version_is_news_once_and_an_older_one_never() -> None:
    cache = Cache()
    assert cache.take(DISTILLATION_JOB, child(2)) == [CHILD, SWEEP]
    assert cache.take(DISTILLATION_JOB, child(2)) == []
    assert cache.take(DISTILLATION_JOB, child(1)) == []


def test_a_child_that_the_sweep_has_just_made_is_looked_at_when_the_watch_brings_it() -> None:
    cache = Cache()
    cache.take(DISTILLATION_JOB, child(1))  # the answer to its creation
    assert cache.echo(child(1)) == [CHILD, SWEEP]


def test_an_end_that_a_look_wrote_itself_is_told_to_the_sweep_and_to_followers() -> None:
    cache = Cache()
    cache.take(EVAL_JOB, follower())
    cache.take(DISTILLATION_JOB, child(1))
    cache.take(DISTILLATION_JOB, child(2, "Succeeded", observed=1))  # the answer to the status
    assert cache.echo(child(2, "Succeeded", observed=1)) == [FOLLOWER, SWEEP]


def test_a_child_whose_suspension_the_sweep_wrote_is_looked_at() -> None:
    cache = Cache()
    cache.take(DISTILLATION_JOB, child(3, "Training", generation=2, observed=1))
    assert CHILD in cache.echo(child(3, "Training", generation=2, observed=1))


def test_a_job_of_that_name_that_was_there_before_is_no_echo() -> None:
    cache = Cache()
    cache.take(DISTILLATION_JOB, child(3))
    other = child(3)
    other["metadata"]["uid"] = "u0"
    assert cache.echo(other) == []


def test_a_label_alone_makes_no_job_a_sweeps_child() -> None:
    cache = Cache()
    mine, other = child(1), child(1)
    mine["metadata"] |= {"ownerReferences": [{"uid": "s2", "controller": True}]}
    other["metadata"] |= {"name": "sweep-s2", "uid": "u3", "ownerReferences": [{"uid": "s1", "controller": True}]}
    for one in (mine, other):
        cache.take(DISTILLATION_JOB, one)
    assert [one.name for one in cache.sweep_children(SWEEP, "s2")] == ["sweep-s1"]


def test_nothing_is_kept_of_what_is_gone() -> None:
    cache = Cache()
    cache.take(EVAL_JOB, follower())
    cache.take(DISTILLATION_JOB, child(1))
    cache.drop(DISTILLATION_JOB, child(1))
    cache.drop(EVAL_JOB, follower())
    assert (dict(cache.jobs), dict(cache.followers), dict(cache.members), dict(cache.children)) == ({}, {}, {}, {})
