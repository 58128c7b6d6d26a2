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
from gopd_eval.core.normalise import normalise, same_number
from gopd_eval.core.samples import Grade, Sample, Verdict

GRADER_VERSION = "4"
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


def grade_sample(sample: Sample, right: str, preset: Preset, compare: Compare) -> Grade:
    """The verdict on one response."""
    answer = strict_answer(sample.text, sample.finish) if preset == "strict" else seed_answer(sample.text)
    verdict, detail = _verdict(answer, sample, right, preset, compare)
    return Grade(
        problem=sample.problem,
        sample=sample.sample,
        verdict=verdict,
        detail=detail,
        answer=None if answer is None else answer.text[:1000],
        response_tokens=len(sample.tokens),
        finish=sample.finish,
    )


def _verdict(
    answer: Answer | None, sample: Sample, right: str, preset: Preset, compare: Compare
) -> tuple[Verdict, str]:
    if answer is None:
        return ("truncated", "cut before an answer") if sample.finish == "length" else ("no_answer", "")
    if _DIGITS.fullmatch(right) and _DIGITS.fullmatch(answer.text):
        return ("correct" if int(right) == int(answer.text) else "wrong"), answer.source
    if preset == "seed":
        return _from_comparison(compare(right, answer.text, preset), answer.source)
    if limit := exceeded_length(answer.text):
        return "refused", f"limit: {limit}"
    given, wanted = normalise(answer.text), normalise(right)
    if given == wanted:
        return "correct", answer.source
    same = same_number(given, wanted)
    if same is not None:
        return ("correct" if same else "wrong"), answer.source
    if limit := exceeded_limit(given):
        return "refused", f"limit: {limit}"
    return _from_comparison(compare(wanted, given, preset), answer.source)


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
