r"""From an answer to a verdict, and from verdicts to counts that add up.

Verdicts: `correct`, `wrong`; `no_answer` (ended without one), `truncated` (cut without one: a cut response that has
a closed box is graded like any other), `timeout`, `memory` and `crash` (of the comparing process), `refused` (beyond a
limit, so that it was not compared). Only `correct` scores; the others are told apart so that a score can be read. The
symbolic comparison is handed in: it lives in processes of its own.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from gopd_api.reports import Counts
from gopd_eval.core.answers import Answer, seed_answer, strict_answer
from gopd_eval.core.limits import exceeded_length, exceeded_limit
from gopd_eval.core.normalise import normalise, same_number, without_name
from gopd_eval.core.samples import Grade, Sample, Verdict

GRADER_VERSION = "5"
"""Raised with every change of `answers`, `normalise`, `limits`, `grading` or the comparing process: grades of another
version are not used again."""

Preset = Literal["strict", "seed"]


@dataclass(frozen=True)
class Comparison:
    """What the comparing process said, or what ended it. `unread`: a right answer that has no value, when asked."""

    outcome: Literal["equal", "different", "unread", "timeout", "memory", "crash"]


_DIGITS = re.compile(r"[0-9]{1,15}")
"""What the published harness, too, compares as integers and nothing else."""
Compare = Callable[[str, str, Preset], Comparison]
"""Right answer, given answer, preset."""


@dataclass(frozen=True)
class Pending:
    """A response whose verdict waits for a symbolic comparison of `given` with `right`."""

    right: str
    given: str
    preset: Preset
    sample: Sample
    answer: Answer

    def grade(self, comparison: Comparison) -> Grade:
        """The verdict, once the comparison is known."""
        return _grade(self.sample, self.answer, *_from_comparison(comparison, self.answer.source))


def grade_sample(sample: Sample, right: str, preset: Preset, compare: Compare) -> Grade:
    """The verdict on one response."""
    begun = begin_grade(sample, right, preset)
    return begun if isinstance(begun, Grade) else begun.grade(compare(begun.right, begun.given, begun.preset))


def begin_grade(sample: Sample, right: str, preset: Preset) -> Grade | Pending:
    """The verdict where it needs no symbolic comparison, else what has to be compared for it."""
    answer = strict_answer(sample.text, sample.finish) if preset == "strict" else seed_answer(sample.text)
    if answer is None:
        cut = sample.finish == "length"
        return _grade(sample, None, *(("truncated", "cut before an answer") if cut else ("no_answer", "")))
    if _DIGITS.fullmatch(right) and _DIGITS.fullmatch(answer.text):
        return _grade(sample, answer, _right_or_wrong(int(right) == int(answer.text)), answer.source)
    if preset == "seed":
        return Pending(right, answer.text, preset, sample, answer)
    if limit := exceeded_length(answer.text):
        return _grade(sample, answer, "refused", f"limit: {limit}")
    given, wanted = normalise(answer.text), normalise(right)
    same = True if given == wanted else same_number(without_name(given), wanted)
    if same is not None:
        return _grade(sample, answer, _right_or_wrong(same), answer.source)
    if limit := exceeded_limit(given):
        return _grade(sample, answer, "refused", f"limit: {limit}")
    return Pending(wanted, given, preset, sample, answer)


def _right_or_wrong(same: bool) -> Verdict:
    return "correct" if same else "wrong"


def _grade(sample: Sample, answer: Answer | None, verdict: Verdict, detail: str) -> Grade:
    return Grade(
        problem=sample.problem,
        sample=sample.sample,
        verdict=verdict,
        detail=detail,
        answer=None if answer is None else answer.text[:1000],
        response_tokens=len(sample.tokens),
        finish=sample.finish,
    )


def _from_comparison(comparison: Comparison, source: str) -> tuple[Verdict, str]:
    match comparison.outcome:
        case "equal":
            return "correct", source
        case "different" | "unread":
            return "wrong", source
        case failure:
            return failure, source


def math_grader(preset: Preset, library: str) -> str:
    """The mathematics grader as scores name it; `library` is the comparing library with its version."""
    return f"math/{preset} {GRADER_VERSION} ({library})"


def count(grades: Iterable[Grade]) -> Counts:
    """How many samples there are of each verdict."""
    found: Counter[str] = Counter(grade.verdict for grade in grades)
    return Counts(samples=found.total(), **found)
