r"""The comparing process: reads `{"right", "given", "preset"}` a line, answers `{"equal": true|false}` a line.

Started by `shell.equality` as `python -m gopd_eval.shell.equality_worker`, to be killed at any time. It limits its own
memory before it imports anything heavy, and dies with its parent. `seed` is math-verify as published. `strict` compares
decimals exactly, checks numbers to 25 digits relative to their size (math-verify takes all numbers below 1e-15 for the
same), and tells tuples from sets.
"""

import ctypes
import json
import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sympy import Basic

MEMORY_BYTES = 3 * 2**30
DIGITS = 40
TOLERANCE_DIGITS = 25
PR_SET_PDEATHSIG = 1
SEED_SECONDS = 5
"""math-verify's own default for each parse and each comparison."""


def main() -> None:
    """Serve until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    import math_verify  # noqa: F401  # the slow import is part of starting

    logging.disable(logging.CRITICAL)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        compare = strict_equal if task["preset"] == "strict" else seed_equal
        print(json.dumps({"equal": compare(task["right"], task["given"])}), file=answers, flush=True)


def seed_equal(right: str, given: str) -> bool:
    """The published harness: both in a box, math-verify with its defaults."""
    from math_verify import parse, verify

    parsed = [parse(f"\\boxed{{{answer}}}", parsing_timeout=SEED_SECONDS) for answer in (right, given)]
    return bool(verify(*parsed, timeout_seconds=SEED_SECONDS))


def strict_equal(right: str, given: str) -> bool:
    """Symbolic equality of two normalised answers; time is the parent's to limit."""
    from math_verify import parse, verify

    from gopd_eval.core.normalise import with_exact_decimals

    if _brackets(right) | _brackets(given) == {"set", "tuple"}:
        return False
    # A parse limit of 0 seconds means none: the parent kills this process.
    parsed = [parse(f"\\boxed{{{with_exact_decimals(answer)}}}", parsing_timeout=0) for answer in (right, given)]
    if not verify(*parsed, numeric_precision=DIGITS, allow_set_relation_comp=True, timeout_seconds=0):
        return False
    return not any(_surely_different(a, b) for a, b in zip(*(_members(side) for side in parsed), strict=False))


def _brackets(answer: str) -> set[str]:
    if answer.startswith("\\{") and answer.endswith("\\}"):
        return {"set"}
    return {"tuple"} if answer.startswith("(") and answer.endswith(")") and "," in answer else set()


def _members(parsed: list["Basic"]) -> list["Basic"]:
    """The numbers that a parsed answer consists of, sets in the order of their values."""
    from sympy import Basic, Eq, FiniteSet, Tuple

    value = parsed[0] if parsed and isinstance(parsed[0], Basic) else None
    if isinstance(value, Eq):
        value = value.rhs
    if isinstance(value, FiniteSet):
        return sorted(value.args, key=lambda member: str(member.evalf(DIGITS)))
    return list(value.args) if isinstance(value, Tuple) else [] if value is None else [value]


def _surely_different(a: "Basic", b: "Basic") -> bool:
    """Both are plain numbers, and they differ by more than rounding of 40 digits can."""
    from sympy import Eq, Float, UnevaluatedExpr

    a, b = (side.rhs if isinstance(side, Eq) else side for side in (a, b))
    if not (getattr(a, "is_number", False) and getattr(b, "is_number", False)):
        return False
    if a.has(UnevaluatedExpr) or b.has(UnevaluatedExpr):
        return False  # a percentage: 50 % and 50 are taken for the same
    gap, size = abs((a - b).evalf(DIGITS)), abs(a.evalf(DIGITS)) + abs(b.evalf(DIGITS))
    if not (gap.is_comparable and size.is_comparable):
        return False
    return bool(gap > size * Float(10) ** -TOLERANCE_DIGITS)


if __name__ == "__main__":
    main()
