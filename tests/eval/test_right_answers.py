"""Right answers: what is published wrong is mended by an overlay, and one that no response can meet is an error."""

from collections.abc import Iterator

import pytest
from tests.eval.spellings import boxed, spellings

from gopd_eval.core.errata import ERRATA, ERRATA_VERSION, corrected, corrected_text
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import grade_sample
from gopd_eval.shell.equality import Equality
from gopd_eval.shell.golds import check_gold, check_golds

MALFORMED = r"\frac{sqrt{7} + 1}{2}"


@pytest.fixture(scope="module")
def equality() -> Iterator[Equality]:
    with Equality(lambda: None, {"strict": 20.0, "seed": 60.0, "gold": 30.0}) as processes:
        yield processes


def test_the_malformed_answer_is_mended_and_then_sound(equality: Equality) -> None:
    assert check_gold(MALFORMED, equality) == "sqrt without a backslash is read as a product of letters"
    mended = corrected("hmmt25_nov", "20", MALFORMED)
    assert mended == r"\frac{\sqrt{7} + 1}{2}"
    assert check_gold(mended, equality) is None
    for preset in ("strict", "seed"):
        assert grade_sample(boxed(r"\frac{1+\sqrt7}{2}"), mended, preset, equality.compare).verdict == "correct"


def test_a_correction_holds_for_its_task_and_problem_and_for_what_was_published() -> None:
    assert corrected("hmmt25_feb", "20", MALFORMED) == MALFORMED
    assert corrected("hmmt25_nov", "21", MALFORMED) == MALFORMED
    assert corrected("hmmt25_nov", "20", "7") == "7"
    assert corrected_text("hmmt25_nov", "1", r"the line $\overlien{AB}$") == r"the line $\overline{AB}$"
    assert corrected_text("hmmt25_nov", "2", r"\overlien") == r"\overlien"


def test_every_correction_has_its_reason_and_source() -> None:
    assert ERRATA_VERSION
    assert len({(e.task, e.problem, e.field) for e in ERRATA}) == len(ERRATA)
    assert all(e.reason and e.source and e.published != e.corrected for e in ERRATA)


@pytest.mark.parametrize(
    "answer",
    ["204", "033", "1,305", r"\frac{1}{576}", r"2^{25} \cdot 26!", r"8\sqrt{10}", r"1-\frac{2}{\pi}", r"50\%", "3+4i",
     r"\frac{-1+\sqrt{17}}{2}, \frac{-1-\sqrt{17}}{2}", r"\text{Friday}", "C", r"\left(3, \frac{\pi}{2}\right)",
     r"(-\infty,3]\cup[5,\infty)", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "x^2+2x+1", "y = 2x+3", r"120^\circ",
     r"\{1,2,3\}", r"x \geq 3", r"p - q", r"\text{Evelyn}", r"\sqrt{51}", r"3\sqrt{13}", "2,-3", "(-2,1)"],
)  # fmt: skip
def test_answers_as_they_are_published_are_sound(equality: Equality, answer: str) -> None:
    assert check_gold(answer, equality) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "it is empty"), (r"\frac{1}{", "its braces do not match"), ("2pi", "pi without a backslash"),
        ("9^{9^{9^9}}", "a limit of the grader (a tower of powers)"), (r"\frac", "the grader reads no value in it"),
        ("frac{1}{2}", "frac without a backslash"),
    ],
)  # fmt: skip
def test_an_answer_that_no_response_can_meet_is_named(equality: Equality, answer: str, fault: str) -> None:
    assert fault in (check_gold(answer, equality) or "sound")


def test_every_right_answer_of_the_table_but_the_malformed_one_is_sound(equality: Equality) -> None:
    faults = {case.right for case in spellings() if check_gold(case.right, equality)}
    assert faults == {MALFORMED}


def test_the_error_names_task_id_and_remedy() -> None:
    with pytest.raises(EvaluationError) as error:
        check_golds("hmmt25_nov", {"19": "7", "20": MALFORMED}, lambda: None)
    assert "hmmt25_nov" in str(error.value)
    assert "20 (" in str(error.value)
    assert "19" not in str(error.value)
    assert "core/errata.py" in str(error.value)
