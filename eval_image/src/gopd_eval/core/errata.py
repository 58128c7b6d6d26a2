r"""What is wrong in published problems and right answers, as an overlay with a version; the data stay as they are.

Keyed by task and problem id as published. A correction holds only where the data still say what is to be corrected, so
that a newer release which mends it is left alone. `strict` reads data through it, `seed` does not. It also says what a
right answer's spelling gives away: a LaTeX command without its backslash is read as a product of letters, and such an
answer equals itself, so that no comparison would notice. Whether it has a value is asked in `shell.golds`.
"""

import re
from dataclasses import dataclass
from typing import Literal

from gopd_eval.core.limits import exceeded_limit
from gopd_eval.core.normalise import normalise

ERRATA_VERSION = "1"
"""Raised with every change of the list: scores carry it."""


@dataclass(frozen=True)
class Erratum:
    """`published` in this field of this problem is to be `corrected`."""

    task: str
    problem: str
    field: Literal["answer", "problem"]
    published: str
    corrected: str
    reason: str
    source: str


ERRATA = (
    Erratum(
        task="hmmt25_nov", problem="20", field="answer",
        published=r"\frac{sqrt{7} + 1}{2}", corrected=r"\frac{\sqrt{7} + 1}{2}",
        reason="sqrt without a backslash is read as s*q*r*t, so that no answer equals it",
        source="RUCBM/G-OPD data/hmmt25_nov/test.jsonl at 37371a4; MathArena's own parser reads both spellings alike",
    ),
    Erratum(
        task="hmmt25_nov", problem="1", field="problem",
        published=r"\overlien", corrected=r"\overline",
        reason="a misspelt command in what the model is asked",
        source="RUCBM/G-OPD data/hmmt25_nov/test.jsonl at 37371a4, and MathArena's copy",
    ),
)  # fmt: skip

_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textrm|textbf|operatorname)\s*\{[^{}]*\}")
_BARE_COMMAND = re.compile(
    r"(?<![\\A-Za-z])([dt]?frac|sqrt|cdot|times|pi|infty|binom|sin|cos|tan|log|ln|theta|alpha|beta|pm|overline|circ)"
    r"(?![A-Za-z])"
)


def corrected(task: str, problem: str, answer: str) -> str:
    """The right answer, mended where the overlay says so."""
    found = (erratum for erratum in _of(task, problem, "answer") if erratum.published == answer)
    return next((erratum.corrected for erratum in found), answer)


def corrected_text(task: str, problem: str, text: str) -> str:
    """What is asked, mended where the overlay says so."""
    for erratum in _of(task, problem, "problem"):
        text = text.replace(erratum.published, erratum.corrected)
    return text


def _of(task: str, problem: str, field: str) -> list[Erratum]:
    return [e for e in ERRATA if (e.task, e.problem, e.field) == (task, problem, field)]


def suspicious(answer: str) -> str | None:
    """What the spelling of a right answer gives away, as a clause; None when nothing does."""
    if not answer.strip():
        return "it is empty"
    if limit := exceeded_limit(normalise(answer)):
        return f"it exceeds a limit of the grader ({limit})"
    if answer.count("{") - answer.count(r"\{") != answer.count("}") - answer.count(r"\}"):
        return "its braces do not match"
    if bare := _BARE_COMMAND.search(_TEXT.sub("", answer)):
        return f"{bare.group(1)} without a backslash is read as a product of letters"
    return None
