"""From the lines that a sandboxed program gives, and from how it ended, to a verdict.

It decides what each test's line means and what an ending means. A program can forge lines; without knowing what is
expected, that gains it nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gopd_eval.core.code.oracles import Judge
from gopd_eval.core.code.outputs import same_value
from gopd_eval.core.code.tests import FunctionTests, MethodTests
from gopd_eval.core.code.values import Preset, UnreadableError, holds_nan, read
from gopd_eval.core.samples import Verdict

CODE_GRADER_VERSION = "3"
"""Raised with every change of extraction, comparison, limits or sandbox that can change a verdict."""
MAX_ERROR = 4096
MEMORY_CODE, MEMORY_SIGNAL = 86, -9
"""How a program ends that ran out of memory: by its own word, or because the kernel ended it."""


@dataclass(frozen=True)
class Reference:
    """What the reference program gave, and what it needed."""

    lines: tuple[bytes, ...]
    values: tuple[Any, ...]
    seconds: tuple[float, ...]
    memory: int


@dataclass
class Checked:
    """How far a program came."""

    passed: int = 0
    fault: str = ""
    """What was wrong with the test after those that passed, or with the program itself."""
    loaded: bool = True
    missing_name: bool = False


class Check:
    """Takes the lines of one program; `right` decides on the value of test n."""

    def __init__(self, tests: int, right: Callable[[int, bytes], bool]) -> None:
        self._tests, self._right = tests, right
        self.state = Checked()

    def line(self, line: bytes) -> bool:
        """False when the program need not go on."""
        state = self.state
        if line[:1] == b"#":
            state.loaded, state.fault = False, error_text(line)
            state.missing_name = state.fault.startswith("KeyError")
            return False
        if state.passed >= self._tests:
            return False  # more values than tests: nobody asked
        if line[:1] == b"!":
            state.fault = error_text(line)
            return False
        if not self._right(state.passed, line):
            state.fault = "another value"
            return False
        state.passed += 1
        return state.passed < self._tests  # what it does after the last one is nobody's wish

    def verdict(self, how: str, code: int) -> tuple[Verdict, str]:
        """The verdict, and why."""
        state = self.state
        if state.passed == self._tests and not state.fault:
            return "correct", ""
        if state.fault:
            return "wrong", state.fault
        return ending(how, code)


def ending(how: str, code: int) -> tuple[Verdict, str]:
    """What the end of a program means that has not given all that was asked for."""
    if how == "timeout":
        return "timeout", "took too long"
    if how == "flood":
        return "wrong", "more output than any right answer has"
    if how == "crowd":
        return "wrong", "more threads than a program may have"
    if how == "lost":
        return "crash", "its launcher died with it"
    if code == MEMORY_CODE:
        return "memory", "out of memory"
    if code == MEMORY_SIGNAL:
        return "memory", "ended by the kernel"
    return "crash", f"ended by signal {-code}" if code < 0 else f"ended itself with code {code}"


def error_text(line: bytes) -> str:
    """An error's name and text, as far as the line holds them."""
    try:
        name, text = json.loads(line[1 : MAX_ERROR + 1])
    except (ValueError, TypeError, RecursionError):
        return "an error that cannot be read"
    words = f"{name}: {text}"[:200].rstrip(": ")
    return "".join(sign if sign.isprintable() else " " for sign in words)


def function_check(tests: FunctionTests, arguments: Sequence[Any], reference: Reference, preset: Preset) -> Check:
    """For a function: the reference's own line is right without being read."""
    judges = [Judge(tests, preset), Judge(tests, preset)]  # base and plus are two runs of the published grader

    def right(number: int, line: bytes) -> bool:
        judge = judges[number >= tests.base]
        wanted = reference.values[number]
        if line == reference.lines[number] and not holds_nan(line):
            judge.note_equal(wanted)
            return True
        try:
            given = read(line)
        except UnreadableError:
            return False
        return judge.right(arguments[number], given, wanted, plain=not line.startswith(b'{"n"'))

    return Check(len(tests.inputs), right)


def method_check(tests: MethodTests, preset: Preset) -> Check:
    """For a method of LiveCodeBench."""

    def right(number: int, line: bytes) -> bool:
        try:
            return same_value(read(line), tests.cases[number][1], preset)
        except (UnreadableError, RecursionError, OverflowError):
            return False

    return Check(len(tests.cases), right)
