"""The sandbox: every attack fails, the sample is counted, and the run goes on with nothing left behind."""

import pytest
from tests.eval.arena import HONEST, Arena
from tests.eval.code_attacks import FORGERIES, HARMS, TIMES

from gopd_eval.shell.code.pool import Pool


@pytest.mark.parametrize("attack", FORGERIES)
def test_a_verdict_cannot_be_forged_by(attack: str, arena: Arena) -> None:
    grade = arena.attacked(FORGERIES[attack])
    assert grade.verdict in ("wrong", "crash", "memory", "timeout"), grade
    assert grade.base == grade.verdict


@pytest.mark.parametrize("attack", HARMS)
def test_no_program_can_harm_by(attack: str, arena: Arena) -> None:
    grade = arena.attacked(HARMS[attack])
    assert grade.verdict in ("wrong", "memory"), grade


@pytest.mark.parametrize("attack", TIMES)
def test_no_program_takes_more_than_its_share_by(attack: str, arena: Arena) -> None:
    program, verdict = TIMES[attack]
    assert arena.attacked(program).verdict == verdict


def test_the_same_honest_programs_are_right_and_only_they(arena: Arena) -> None:
    right, wrong, raising = arena.grade(HONEST, "def double(x): return x * x", "def double(x): return {}[x]")
    assert (right.verdict, right.detail) == ("correct", "base 3/3, plus 17/17")
    assert (wrong.verdict, wrong.detail) == ("wrong", "base 0/3, plus 0/17; test 1: another value")
    assert (raising.verdict, raising.detail) == ("wrong", "base 0/3, plus 0/17; test 1: KeyError: 1")


def test_base_and_plus_have_a_verdict_each(arena: Arena) -> None:
    (grade,) = arena.grade("def double(x): return 2 * x if x < 10 else 0")
    assert (grade.base, grade.verdict) == ("correct", "wrong")
    assert grade.detail == "base 3/3, plus 6/17; test 10: another value"


USES = {
    "threads": """
import sys, threading
def double(x):
    out = []
    sys.setrecursionlimit(10**6)
    threading.stack_size(1 << 26)
    thread = threading.Thread(target=lambda: out.append(2 * x))
    thread.start(); thread.join()
    return out[0]
""",
    "numpy": "import numpy as np\ndef double(x): return int(np.array([x, x]).sum())",
    "asyncio": """
import asyncio
async def work(x):
    await asyncio.sleep(0)
    return 2 * x
def double(x): return asyncio.run(work(x))
""",
    "a dataclass": """
from dataclasses import dataclass
@dataclass
class P:
    x: int
def double(x): return P(x).x * 2
""",
    "many modules": """
import functools, math, heapq, bisect, collections, itertools, decimal, fractions, re, random, string, queue, zoneinfo
@functools.cache
def double(x): return 2 * x
""",
    "its own limits": """
import resource
resource.setrlimit(resource.RLIMIT_STACK, resource.getrlimit(resource.RLIMIT_STACK))
def double(x): return 2 * x
""",
    "recursion": """
def double(x):
    def f(n): return 0 if n == 0 else 1 + f(n - 1)
    return f(900) - 900 + 2 * x
""",
}


@pytest.mark.parametrize("use", USES)
def test_an_honest_program_may_use(use: str, arena: Arena) -> None:
    (grade,) = arena.grade(USES[use])
    assert grade.verdict == "correct", grade


def test_the_self_test_says_what_the_sandbox_is_made_of(arena: Arena) -> None:
    report = arena.grader.check_sandbox()
    assert "seccomp" in report.measures
    assert report.through == () or "landlock 0" in report.measures


def test_without_landlock_what_cannot_be_held_off_is_said() -> None:
    from gopd_eval.shell.code.selftest import self_test

    with Pool(1, lambda: None, with_landlock=False) as pool:
        report = self_test(pool)
    assert "landlock 0" in report.measures
    assert "reads a file of the machine" in report.through
    assert "not held off: reads a file" in report.text()
