"""Answers that mean the same are one class, whatever their order; symbols are compared only where they must be."""

from collections.abc import Callable
from itertools import permutations

from gopd_eval.core.classes import equivalence_classes


def never(left: str, right: str) -> bool:
    raise AssertionError(f"compared {left!r} with {right!r}")


def same_value(left: str, right: str) -> bool:
    values = {"x+1": 1, "1+x": 1, r"\sqrt{4}": 2, "2": 2}
    return values.get(left, left) == values.get(right, right)


def test_numbers_are_put_together_without_symbolic_comparison() -> None:
    assert equivalence_classes(["25", "025", "25.0", "26", r"\frac{50}{2}", "26"], never) == [0, 0, 0, 1, 0, 1]


def test_no_answer_has_no_class() -> None:
    assert equivalence_classes([None, "25", "  ", None, "7"], never) == [None, 0, None, None, 1]
    assert equivalence_classes([], never) == []


def test_expressions_are_put_together_by_what_they_mean() -> None:
    assert equivalence_classes(["1+x", r"\sqrt{4}", "x+1", "2", "x+2"], same_value) == [0, 1, 0, 1, 2]


def test_each_spelling_is_compared_once_however_often_it_was_given() -> None:
    asked: list[tuple[str, str]] = []

    def counting(left: str, right: str) -> bool:
        asked.append((left, right))
        return same_value(left, right)

    assert len(set(equivalence_classes(["x+1"] * 20 + ["1+x"] * 20 + ["x+2"] * 20, counting))) == 2
    assert len(asked) <= 3


def test_an_answer_beyond_the_limits_is_like_its_own_text_only() -> None:
    assert equivalence_classes(["9^{9^{9^9}}", "x", "9^{9^{9^9}}"], never) == [0, 1, 0]


def test_what_belongs_together_does_not_depend_on_the_order() -> None:
    percent: Callable[[str, str], bool] = lambda a, b: {a, b} in ({"50", r"50\%"}, {"1/2", r"50\%"})  # noqa: E731
    answers = ["50", "50", r"50\%", "0.5"]
    for order in permutations(range(4)):
        found = equivalence_classes([answers[place] for place in order], percent)
        of = {place: found[order.index(place)] for place in range(4)}
        assert of[0] == of[1] == of[2] != of[3]
