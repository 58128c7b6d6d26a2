"""What a comparison comes to in sentences, and what to mind before believing it.

The words follow the numbers of the report; the limits from which something is worth minding are here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gopd_api.reports import Comparison, Contrast, Difference, MeanDifference, Score
from gopd_eval.core.tables import interval, number, p_value

Tone = Literal["good", "bad", "quiet"]
MOST = 12
TRUNCATED, SILENT, UNGRADED, FEW = 0.05, 0.10, 0.01, 20


@dataclass(frozen=True)
class Remark:
    """A sentence with its tone."""

    tone: Tone
    words: str


def findings(comparison: Comparison) -> list[Remark]:
    """One sentence a difference that was asked for: means over tasks first, then tasks, then groups."""
    found: list[Contrast] = [*comparison.mean_differences, *main_differences(comparison), *comparison.group_differences]
    remarks = [_finding(one) for one in found if one.better != "neither" and one.metric.partition("@")[0] != "pass"]
    if len(remarks) > MOST:
        left = f"{len(remarks) - MOST} more comparisons are in the tables below."
        return [*remarks[:MOST], Remark("quiet", left)]
    return remarks


def main_differences(comparison: Comparison) -> list[Difference]:
    """Each subject that is no repeat of a group against the baseline, on each task's main metric."""
    repeats = {name for group in comparison.groups for name in group.subjects}
    main = main_metrics(comparison.scores)
    return [
        one for one in comparison.differences if one.subject not in repeats and (one.task, one.metric) in main.items()
    ]


def main_metrics(scores: Sequence[Score]) -> dict[str, str]:
    """Task to the metric that stands for it: the first with a better side."""
    main: dict[str, str] = {}
    for score in scores:
        if score.better != "neither":
            main.setdefault(score.task, score.metric)
    return main


def _finding(one: Contrast) -> Remark:
    place = _place(one)
    size = interval(one.difference, one.ci_low, one.ci_high, signed=True)
    if one.verdict in ("better", "worse"):
        test = "" if one.p_value is None else f", p {p_value(one.p_value)}"
        test += "" if one.adjusted_p is None else f" (Holm {p_value(one.adjusted_p)})"
        tone: Tone = "good" if one.verdict == "better" else "bad"
        return Remark(tone, f"{one.subject} is {one.verdict} than {one.baseline} {place}: {size}{test}.")
    seen = "" if one.detectable is None else f" A true difference of {number(one.detectable)} would likely have shown."
    return Remark("quiet", f"{one.subject} and {one.baseline}: no difference shown {place}: {size}.{seen}")


def _place(one: Contrast) -> str:
    if isinstance(one, MeanDifference):
        return f"over {len(one.tasks)} tasks together"
    return f"on {one.task} ({one.metric})" if isinstance(one, Difference) else ""


def cautions(comparison: Comparison) -> list[str]:
    """What may make scores mean something else than they seem to."""
    found = []
    for score in comparison.scores:
        place = f"{score.subject} on {score.task}"
        if score.metric == "truncated" and score.value >= TRUNCATED:
            found.append(
                f"{place}: {score.value:.0%} of the answers were cut at the length limit; a higher one may score more."
            )
        if score.metric == "no_answer" and score.value >= SILENT:
            found.append(f"{place}: {score.value:.0%} of the answers ended without one that could be read.")
        if score.counts is not None and score.headline:
            counts = score.counts
            ended = counts.timeout + counts.memory + counts.crash + counts.refused
            if ended >= UNGRADED * counts.samples:
                found.append(
                    f"{place}: {ended} of {counts.samples} answers could not be graded to the end; they count as wrong."
                )
    for task, problems in {score.task: score.problems for score in comparison.scores}.items():
        if problems < FEW:
            found.append(f"{task} has {problems} problems: intervals from so few are rough.")
    return found[:MOST]
