"""Bare system calls and tricks of the interpreter: nothing gets through, nothing is left, and time is still counted."""

import time
from collections.abc import Generator
from marshal import dumps

import pytest
from tests.eval.arena import Arena
from tests.eval.code_attacks_on_the_kernel import CALLS, NAPS, THREADS, TRICKS

from gopd_eval.shell.code.run import GIB, Ended, Run


@pytest.mark.parametrize("calls", CALLS)
def test_the_kernel_is_not_asked_for(calls: str, arena: Arena) -> None:
    grade = arena.attacked(CALLS[calls])
    assert (grade.verdict, grade.detail) == ("wrong", "base 0/3, plus 0/17; test 1: another value")


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_is_gained_by(trick: str, arena: Arena) -> None:
    grade = arena.attacked(TRICKS[trick])
    assert grade.verdict in ("wrong", "crash", "memory", "timeout"), grade


def test_sixty_threads_use_up_the_time_of_one(arena: Arena) -> None:
    began = time.monotonic()
    assert arena.attacked(THREADS).verdict == "timeout"
    assert time.monotonic() - began < 60


def test_short_naps_between_work_count_as_time(arena: Arena) -> None:
    """A program that sleeps most of the time, but never for long, would hold its slot for minutes."""

    def steps() -> Generator[Run | None, Ended | None, Ended | None]:
        return (yield Run(job, lambda _: 1.0, 60.0, GIB))

    job = dumps({"run": "functions", "program": NAPS, "entry": "double", "inputs": [[1]]})
    (ended,) = arena.grader.pool.do([steps()])
    assert ended
    assert ended.how == "timeout"
    assert ended.cpu < 0.6, "of the second, most was sleep"
