"""Many answers at once: grades come in the order of the answers, and only what must be compared anew costs a thread."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.eval.spellings import boxed

from gopd_eval.core.grading import Comparison, Pending, Preset, begin_grade
from gopd_eval.core.samples import Grade
from gopd_eval.shell.equality import AHEAD, Equality

PLAIN, SYMBOLIC = ("12", "12"), ("x+1", "1+x")
"""Right and given: the same text, and what has to be compared."""


class Watched(Equality):
    """Answers of itself, when it is let, and keeps the threads that asked."""

    def __init__(self) -> None:
        super().__init__(lambda: None, slots=2)
        self.askers: list[str] = []
        self.let = threading.Event()

    def compare(self, right: str, given: str, preset: Preset) -> Comparison:
        self.askers.append(threading.current_thread().name)
        assert self.let.wait(30)
        return Comparison("equal")


def begun(*answers: tuple[str, str]) -> Iterator[Grade | Pending]:
    for number, (right, given) in enumerate(answers):
        yield begin_grade(replace(boxed(given), problem=str(number)), right, "strict")


def equality_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("equality")]


def test_plain_answers_are_graded_where_they_were_read_and_start_no_thread() -> None:
    with Watched() as equality:
        grades = list(equality.grades(begun(*[PLAIN] * 100)))
        assert [grade.verdict for grade in grades] == ["correct"] * 100
        assert equality.askers == []
        assert equality_threads() == []


def test_grades_keep_the_order_of_the_answers_behind_a_slow_comparison() -> None:
    answers = [PLAIN, SYMBOLIC, PLAIN, PLAIN, SYMBOLIC, PLAIN]
    with Watched() as equality:
        grades = equality.grades(begun(*answers))
        assert next(grades).problem == "0", "what stands before the slow one is not kept back by it"
        threading.Timer(0.3, equality.let.set).start()
        assert [grade.problem for grade in grades] == ["1", "2", "3", "4", "5"]
        assert len(equality.askers) == 2
        assert all(name.startswith("equality") for name in equality.askers)


def test_no_more_answers_wait_behind_a_slow_comparison_than_may() -> None:
    read: list[int] = []

    def counted() -> Iterator[Grade | Pending]:
        for number, one in enumerate(begun(SYMBOLIC, *[PLAIN] * 500)):
            read.append(number)
            yield one

    with Watched() as equality:
        threading.Timer(0.3, equality.let.set).start()
        assert next(equality.grades(counted())).problem == "0"
        assert len(read) == AHEAD


def test_a_question_that_was_asked_before_is_answered_without_a_thread() -> None:
    with Equality(lambda: None, slots=1) as equality:
        assert equality.compare("x+1", "1+x", "strict").outcome == "equal"
        os.kill(equality.pids[0], 9)
        assert [grade.verdict for grade in equality.grades(begun(*[SYMBOLIC] * 3))] == ["correct"] * 3
        assert equality_threads() == []


def test_an_answer_that_cannot_be_read_comes_out_as_its_error_after_those_before_it() -> None:
    def failing() -> Iterator[Grade | Pending]:
        yield from begun(PLAIN)
        raise ValueError("of the reading")

    with Watched() as equality:
        grades = equality.grades(failing())
        assert next(grades).verdict == "correct"
        with pytest.raises(ValueError, match="of the reading"):
            next(grades)
