"""Tasks of EvalPlus that are compared by a rule of their own, because more than one answer is right.

It decides by the published rules, by the name of the entry point and within the data set that it belongs to.
"""

import math
from collections.abc import Callable
from typing import Any

from gopd_eval.core.code.tests import FunctionTests
from gopd_eval.core.code.values import FLOAT_TOLERANCE, Opaque, Preset, as_set, close, equal, is_floats

SAME_SET = {
    "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum", "intersection_array",
    "find_dissimilar", "Diff",
}  # fmt: skip
NOT_NONE = {"check_str", "text_match_three", "text_starta_endb"}


def digit_distance(first: Any, second: Any) -> int:
    """Sum of the differences of the digits, the shorter number filled with zeros (Mbpp/558)."""
    texts = str(first), str(second)
    width = max(map(len, texts))
    return sum(abs(int(a) - int(b)) for a, b in zip(*(text.zfill(width) for text in texts), strict=True))


def pyramid(edge: float, height: float) -> int:
    """Surface of a square pyramid whose height is from the base to the apex, rounded (Mbpp/581)."""
    return round(edge**2 + 2 * edge * math.hypot(edge / 2, height))


def polynomial(coefficients: list[float], x: float) -> float:
    """Value at x, the constant first (HumanEval/32)."""
    return sum(coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients))


def _also(rule: Callable[..., Any]) -> Callable[[list[Any], Any, Any], bool]:
    """A second answer beside the reference's."""
    return lambda arguments, given, wanted: bool(given == wanted) or bool(given == rule(*arguments))


_MBPP: dict[str, Callable[[list[Any], Any, Any], bool]] = {
    "are_equivalent": lambda arguments, given, wanted: True,
    "sum_div": lambda arguments, given, wanted: given in (wanted, 0),
    "digit_distance_nums": _also(digit_distance),
    **dict.fromkeys(SAME_SET, lambda arguments, given, wanted: as_set(given) == set(wanted)),
    **dict.fromkeys(
        NOT_NONE,
        lambda arguments, given, wanted: (given if type(given) is bool else given is not None) == (wanted is not None),
    ),
}  # fmt: skip


class Judge:
    """Compares the values of one program, test after test: the published rules keep a state from test to test."""

    def __init__(self, tests: FunctionTests, preset: Preset) -> None:
        self._tests, self._preset = tests, preset
        self._atol = tests.atol
        self._rule = _MBPP.get(tests.entry_point) if tests.task_id.startswith("Mbpp/") else None
        self._root = tests.task_id.startswith("HumanEval/") and tests.entry_point == "find_zero"

    def note_equal(self, wanted: Any) -> None:
        """A value was the reference's own."""
        if self._preset == "seed" and self._atol == 0 and is_floats(wanted):
            self._atol = FLOAT_TOLERANCE  # the published grader keeps a tolerance once it has taken one

    def right(self, arguments: list[Any], given: Any, wanted: Any, *, plain: bool) -> bool:
        """Whether the value is right. `plain`: it was a type of Python's own, not numpy's."""
        try:
            return self._right(arguments, given, wanted, plain)
        except (TypeError, ValueError, OverflowError, ArithmeticError, RecursionError):
            return False

    def _right(self, arguments: list[Any], given: Any, wanted: Any, plain: bool) -> bool:
        if self._root:
            return not isinstance(given, Opaque) and abs(polynomial(arguments[0], given)) <= self._tests.atol
        exact = self._exact(arguments, given, wanted)
        tolerance = FLOAT_TOLERANCE if self._atol == 0 and is_floats(wanted) else self._atol
        if self._preset == "seed":
            self._atol = tolerance
        return exact or (tolerance != 0 and (plain or self._preset == "strict") and close(given, wanted, tolerance))

    def _exact(self, arguments: list[Any], given: Any, wanted: Any) -> bool:
        if self._rule is not None:
            return self._rule(arguments, given, wanted)
        if self._tests.entry_point == "surface_Area" and self._tests.task_id.startswith("Mbpp/"):
            return equal(given, wanted, self._preset) or abs(given - pyramid(*arguments)) <= self._atol
        return equal(given, wanted, self._preset)
