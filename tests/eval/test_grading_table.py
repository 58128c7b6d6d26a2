"""What counts as the right answer: a table of spellings, each with the verdict that a person would give.

The cases are the kinds of disagreement that are known between published graders. They go through the whole path:
extraction, normalisation, exact numbers, limits, and the real comparing process.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from tests.eval.spellings import Spelling, answer, boxed, spellings

from gopd_eval.core.grading import grade_sample
from gopd_eval.shell.equality import Equality

MISSED: dict[int, str] = {}
"""Rows that a person would accept and `strict` does not, each with the reason; eight would be allowed."""
ACCEPTED_BY_CONVENTION = {74, 85, 86, 103, 109, 124}
"""Open rows that `strict` accepts: thousands after a comma, a percentage for its number, the last number where no box
is closed, a box before another line, a base that is ten."""
WRONG = [
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"), (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"), ("25", "-25"), ("25", "250"),
    ("x^2", "x^3"), ("1/91", "0.010989"), (r"\frac{2025}{101}", "20.049505"), (r"14+4\sqrt{37}", "38.331050"),
    ("5", r"5 \text{ million}"), ("5", r"\text{not }5"), ("5", r"\text{at least }5"), ("12", "12,13"), ("x=5", "y=5"),
]  # fmt: skip
RESPONSES = [
    ("5", "<think>maybe \\boxed{7}</think>\nThe answer is \\boxed{5}.", True),
    ("1/2", r"The answer is $\frac{1}{2}$.", True), ("-3", "x = -3", True),
    ("12", "A total of 1,2 and 12 apples", True),
    ("72", "#### 72", True), ("5000000", r"\boxed{5\text{ million}}", True),
    ("1234", "She has 1,234.", True), ("5", r"\boxed{\text{5}}", True),
]  # fmt: skip


@pytest.fixture(scope="module")
def equality() -> Iterator[Equality]:
    with Equality(lambda: None, {"strict": 20.0, "seed": 60.0}) as processes:
        yield processes


def named(*wants: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [case for case in spellings() if case.want in wants], ids=str)


def test_the_table_is_whole() -> None:
    assert [case.row for case in spellings()] == list(range(1, 134))
    assert Counter(case.want for case in spellings()) == {"right": 93, "wrong": 30, "open": 10}
    accepted = Counter(case.want for case in spellings() if case.published)
    assert accepted == {"right": 93 - 20, "wrong": 8, "open": 5}, "as published: 20 missed, 8 accepted that are wrong"
    assert len(MISSED) <= 8


@named("right")
def test_another_spelling_of_the_right_answer_is_correct(equality: Equality, case: Spelling) -> None:
    graded = grade_sample(case.sample(), case.right, "strict", equality.compare)
    assert (graded.verdict == "correct") == (case.row not in MISSED), graded


@named("wrong")
def test_an_answer_that_only_looks_alike_is_not_correct(equality: Equality, case: Spelling) -> None:
    graded = grade_sample(case.sample(), case.right, "strict", equality.compare)
    assert graded.verdict in ("wrong", "no_answer"), graded


@named("open")
def test_conventions_are_those_that_are_documented(equality: Equality, case: Spelling) -> None:
    graded = grade_sample(case.sample(), case.right, "strict", equality.compare)
    assert (graded.verdict == "correct") == (case.row in ACCEPTED_BY_CONVENTION), graded


@named("right", "wrong", "open")
def test_the_seed_preset_gives_the_published_verdict(equality: Equality, case: Spelling) -> None:
    graded = grade_sample(case.sample(), case.right, "seed", equality.compare)
    assert (graded.verdict == "correct") == case.published, graded


@pytest.mark.parametrize(("right", "given"), WRONG)
def test_a_number_near_the_right_one_is_wrong(equality: Equality, right: str, given: str) -> None:
    assert grade_sample(boxed(given), right, "strict", equality.compare).verdict == "wrong"


@pytest.mark.parametrize(("right", "text", "correct"), RESPONSES)
def test_the_answer_is_found_where_the_response_gives_it(
    equality: Equality, right: str, text: str, correct: bool
) -> None:
    verdict = grade_sample(answer(text), right, "strict", equality.compare).verdict
    assert verdict == ("correct" if correct else "wrong")
