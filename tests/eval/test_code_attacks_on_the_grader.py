"""What a program writes is read by the grader: no line may fell the grader, hang it, fill it, or command a screen."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.eval.arena import HONEST, TESTS, Arena
from tests.eval.code_attacks_on_the_grader import LATER, LINES, SCRIPTS, SEARCH

from gopd_eval.core.code.tests import ProgramTests
from gopd_eval.core.code.verdicts import error_text
from gopd_eval.shell.code.run import waits

CASES = ProgramTests((("2\n", "4\n"), ("3\n", "6\n")))
SECONDS, MEBIBYTES = 3.0, 250


def peak() -> int:
    """MiB of this process at the most, since `at_little_cost` began."""
    found = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) >> 10


@contextmanager
def at_little_cost() -> Iterator[None]:
    """For this process, which is the grader: of processor time and of memory."""
    Path("/proc/self/clear_refs").write_text("5")  # what it had before does not count
    before, began = peak(), time.process_time()
    yield
    assert time.process_time() - began < SECONDS
    assert peak() - before < MEBIBYTES


@pytest.mark.parametrize("attack", LINES)
def test_the_grader_is_neither_felled_nor_held_up_by(attack: str, arena: Arena) -> None:
    with at_little_cost():
        grade = arena.attacked(LINES[attack])
    assert grade.verdict in ("wrong", "timeout"), grade


@pytest.mark.parametrize("attack", SCRIPTS)
def test_the_grader_is_not_held_up_by(attack: str, arena: Arena) -> None:
    with at_little_cost():
        (grade,) = arena.grade(SCRIPTS[attack], tests=CASES)
    assert grade.verdict in ("wrong", "timeout"), grade
    (honest,) = arena.grade("print(2 * int(input()))", tests=CASES)
    assert honest.verdict == "correct"


@pytest.mark.parametrize("attack", LATER)
def test_a_program_that_is_right_is_not_waited_for_when_it_goes_on_by(attack: str, arena: Arena) -> None:
    began = time.monotonic()
    assert arena.attacked(LATER[attack]).verdict == "correct"
    assert time.monotonic() - began < 20


def test_the_right_program_is_not_in_the_memory_that_the_next_program_is_forked_from(arena: Arena) -> None:
    """The launcher's memory, from outside: a program that looks for it would have to find it there."""
    filling = "\n# " + "x" * 3000
    secret = replace(
        TESTS, task_id="Own/2", reference=f"{TESTS.reference}# reference of double, that is secret{filling}"
    )
    for _ in arena.grader.pool.slots:
        searched, honest = arena.grade(SEARCH, f"{HONEST}  # another answer, that is secret{filling}", tests=secret)
        assert (searched.verdict, honest.verdict) == ("wrong", "correct")
    for slot in arena.grader.pool.slots:
        assert b"that is secret" not in memory_of(slot.launcher or 0)
        assert b"gopd_eval.shell.code.inside" in memory_of(slot.launcher or 0)


def memory_of(pid: int) -> bytes:
    """All that the process may write, which is where texts lie."""
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_, name = f"{line} -".split()
            first, last = (int(end, 16) for end in place.split("-"))
            if rights.startswith("rw") and name != "[vvar]":
                memory.seek(first)
                found += memory.read(last - first)
    return bytes(found)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'!["ValueError", "\\ud800 \\u001b[31m \\u0000 \\n \\u202e!"]', "ValueError:    [31m      !"),
        (b'!["ValueError", ""]', "ValueError"),
        (b'![["a"], {"b": 1}]', "['a']: {'b': 1}"),
        (b"!" + b"[" * 100_000, "an error that cannot be read"),
        (b'!["KeyError"]', "an error that cannot be read"),
        (b"!\xff\xfe", "an error that cannot be read"),
    ],
)
def test_an_error_is_told_in_signs_that_can_be_printed_and_stored(line: bytes, text: str) -> None:
    assert error_text(line) == text
    assert len(error_text(b'!["E", "' + b"x" * 3000 + b'"]')) == 200


def test_a_program_waits_only_when_all_its_threads_do() -> None:
    """A main thread that waits for the one that computes is at work, on however busy a machine."""
    text = "import threading, time\nt = threading.Thread(target={0})\nt.start()\nprint(flush=True)\nt.join()"
    for work, expected in (("lambda: [0 for _ in iter(int, 1)]", False), ("lambda: time.sleep(100)", True)):
        with subprocess.Popen([sys.executable, "-c", text.format(work)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(0.2)
            seen = {waits(process.pid) for _ in range(20)}
            process.kill()
            process.wait()
        assert seen == {expected}
        assert not waits(process.pid), "one that has ended does not wait"
