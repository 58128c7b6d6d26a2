r"""The comparing process: reads `{"right", "given", "preset"}` a line, answers `{"outcome": ...}` a line.

Started by `shell.equality` as `python -m gopd_eval.shell.equality_worker SECONDS-BY-PRESET PARENT`, to be killed at any
time. The kernel ends it when a comparison has used its processor seconds, limits its memory, and it leaves when its
parent is gone. `seed` is math-verify as published. `strict` compares decimals exactly, checks numbers to 25 digits
relative to their size (math-verify takes all numbers below 1e-15 for the same), and tells tuples from sets.
Outcomes: `equal`, `different`, `memory` (the limit was met). `gold` asks instead whether `right` can be read and equals
itself: `equal`, `different` or `unread`.
"""

import json
import logging
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sympy import Basic

MEMORY_BYTES = 2**30
NEAR_LIMIT = 0.9
MESSAGE_BYTES = 2**20
DIGITS = 40
TOLERANCE_DIGITS = 25
PARENT_SECONDS = 5.0
SEED_SECONDS = 5
"""math-verify's own default for each parse and each comparison."""


def main() -> None:
    """Serve until standard input ends."""
    seconds: dict[str, float] = json.loads(sys.argv[1])
    parent = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MESSAGE_BYTES, MESSAGE_BYTES))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    logging.disable(logging.CRITICAL)
    _complete_grammar()
    strict_equal("\\frac{1}{2}", "\\sqrt{0.25}")  # slow imports and tables are part of starting
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in _lines(parent):
        task = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds[task["preset"]])  # its signal ends the process, whatever it is in
        outcome = _outcome(task)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps({"outcome": outcome}), file=answers, flush=True)


def _lines(parent: int) -> Iterator[bytes]:
    """What comes on standard input, until it ends or the parent does (a copy of the pipe may outlive the parent)."""
    pending = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], PARENT_SECONDS)[0]:
            continue
        found = os.read(0, 65536)
        if not found:
            return
        *whole, pending = (pending + found).split(b"\n")
        yield from whole


def _complete_grammar() -> None:
    r"""Let percentages be read: latex2sympy2_extended 1.11.0 asks its grammar for antlr 4.9 about `\Gamma`, which that
    grammar does not have, and loses everything that comes after the question.
    """
    from latex2sympy2_extended.latex2sympy2 import PSParser

    if not hasattr(PSParser.AtomContext, "FUNC_GAMMA"):
        PSParser.AtomContext.FUNC_GAMMA = lambda self: None


def _outcome(task: dict[str, str]) -> str:
    try:
        if task["preset"] == "gold" and _value(_parsed(task["right"])) is None:
            return "unread"
        compare = seed_equal if task["preset"] == "seed" else strict_equal
        equal = compare(task["right"], task["given"])
    except MemoryError:
        return "memory"
    return "equal" if equal else "memory" if _peak() > NEAR_LIMIT * MEMORY_BYTES else "different"


def _peak() -> int:
    """Most address space so far: the libraries swallow errors, also those of a memory that was full."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmPeak:")), 0)


def seed_equal(right: str, given: str) -> bool:
    """The published harness: both in a box, math-verify with its defaults."""
    from math_verify import parse, verify

    parsed = [parse(f"\\boxed{{{answer}}}", parsing_timeout=SEED_SECONDS) for answer in (right, given)]
    return bool(verify(*parsed, timeout_seconds=SEED_SECONDS))


def strict_equal(right: str, given: str) -> bool:
    """Symbolic equality of two normalised answers; time is limited outside."""
    from math_verify import verify

    parsed = [_parsed(answer) for answer in (right, given)]
    if _brackets(right) | _brackets(given) == {"set", "tuple"}:
        return False
    if _surely_different(*(_value(side) for side in parsed)):
        return False  # most wrong answers are other numbers: seen without simplifying their difference
    if not verify(*parsed, numeric_precision=DIGITS, allow_set_relation_comp=True, timeout_seconds=0):
        return False
    return not any(_surely_different(a, b) for a, b in zip(*(_members(side) for side in parsed), strict=False))


@lru_cache(maxsize=1024)
def _parsed(answer: str) -> list[Any]:
    """What math-verify reads, most often the same right answer again; it may be shared, as sympy's values are fixed."""
    from math_verify import parse

    from gopd_eval.core.normalise import with_exact_decimals

    found: list[Any] = parse(f"\\boxed{{{with_exact_decimals(answer)}}}", parsing_timeout=0)
    return found


def _value(parsed: list[Any]) -> "Basic | None":
    from sympy import Basic, MatrixBase

    return parsed[0] if parsed and isinstance(parsed[0], Basic | MatrixBase) else None


def _brackets(answer: str) -> set[str]:
    if answer.startswith("\\{") and answer.endswith("\\}"):
        return {"set"}
    return {"tuple"} if answer.startswith("(") and answer.endswith(")") and "," in answer else set()


def _members(parsed: list[Any]) -> list["Basic"]:
    """The numbers that a parsed answer consists of, sets in the order of their values."""
    from sympy import Eq, FiniteSet, Tuple

    value = _value(parsed)
    if isinstance(value, Eq):
        value = value.rhs
    if isinstance(value, FiniteSet):
        return sorted(value.args, key=lambda member: str(member.evalf(DIGITS)))
    return list(value.args) if isinstance(value, Tuple) else [] if value is None else [value]


def _surely_different(a: "Basic | None", b: "Basic | None") -> bool:
    """Both are plain numbers, and they differ by more than rounding of 40 digits can."""
    from sympy import Eq, Float, UnevaluatedExpr

    a, b = (side.rhs if isinstance(side, Eq) else side for side in (a, b))
    if not (getattr(a, "is_number", False) and getattr(b, "is_number", False)):
        return False
    assert a is not None
    assert b is not None
    if a.has(UnevaluatedExpr) or b.has(UnevaluatedExpr):
        return False  # a percentage: 50 % and 50 are taken for the same
    gap, size = abs((a - b).evalf(DIGITS)), abs(a.evalf(DIGITS)) + abs(b.evalf(DIGITS))
    if not (gap.is_comparable and size.is_comparable):
        return False
    return bool(gap > size * Float(10) ** -TOLERANCE_DIGITS)


if __name__ == "__main__":
    main()
