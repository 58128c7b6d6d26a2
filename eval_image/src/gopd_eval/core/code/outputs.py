"""Compares what LiveCodeBench programs write or return with what is expected.

It decides by the published rules: lines without the space around them, then numbers as decimals; values as JSON has
them. In `strict`, tuples are lists however deep, and floating point numbers may differ as the judge allows.
"""

import math
from decimal import Decimal, InvalidOperation
from typing import Any

from gopd_eval.core.code.values import Preset

JUDGE_TOLERANCE = 1e-5


def same_output(given: str, wanted: str) -> bool:
    """Standard output against the expected one."""
    lines, expected = _lines(given), _lines(wanted)
    return len(lines) == len(expected) and all(
        line == other or _same_numbers(line, other) for line, other in zip(lines, expected, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_numbers(line: str, other: str) -> bool:
    words, expected = line.split(), other.split()
    if len(words) != len(expected):
        return False
    try:
        return [Decimal(word) for word in words] == [Decimal(word) for word in expected]
    except InvalidOperation:
        return False


def same_value(given: Any, wanted: Any, preset: Preset) -> bool:
    """A method's value against the expected one."""
    if preset == "seed":
        return bool((list(given) if isinstance(given, tuple) else given) == wanted)
    return _same(given, wanted)


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(given, list | tuple) and len(given) == len(wanted) and all(map(_same, given, wanted))
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and given.keys() == wanted.keys()
            and all(_same(given[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, float) and isinstance(given, int | float) and not isinstance(given, bool):
        return given == wanted or math.isclose(given, wanted, rel_tol=JUDGE_TOLERANCE, abs_tol=JUDGE_TOLERANCE)
    return bool(given == wanted)
