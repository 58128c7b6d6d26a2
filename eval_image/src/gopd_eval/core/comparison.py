"""Subjects against the baseline, and groups of repeats against each other.

Subjects are paired by problem. Groups are means over their repeats (training runs with other seeds), with intervals
over the repeats: they say what another training run would give, on these problems. The verdict is the interval's: a
difference is shown when its 95 % interval leaves out 0. No correction is made for the number of comparisons.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from gopd_api.reports import Comparison, Difference, GroupScore
from gopd_api.requests import EvalRequest, EvalSubject
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.measures import Better, Measure
from gopd_eval.core.statistics import (
    PairedEstimate,
    mean_estimate,
    paired_estimate,
    repeats_estimate,
    unpaired_estimate,
)
from gopd_eval.core.subjects import check_subjects

Table = dict[tuple[str, str], dict[str, Measure]]
"""(task, metric) to the measures of each subject, in the order of the request."""


def compare_subjects(request: EvalRequest, measures: Sequence[Measure]) -> Comparison:
    """The whole comparison of a request's subjects; raises EvaluationError when subjects cannot be paired."""
    check_subjects(request)
    table: Table = {}
    for measure in measures:
        table.setdefault((measure.origin.task, measure.metric), {})[measure.origin.subject] = measure
    return Comparison(
        request_digest=request.digest(),
        baseline=request.baseline,
        scores=[measure.score() for measure in measures],
        differences=list(_differences(table, request.baseline)),
        groups=list(_group_scores(table, request.subjects)),
        group_differences=list(_group_differences(table, request)),
    )


def _differences(table: Table, baseline: str) -> Iterable[Difference]:
    for (task, metric), row in table.items():
        if baseline not in row:
            continue
        against = row[baseline]
        for name, measure in row.items():
            if name == baseline:
                continue
            if (
                measure.values.keys() != against.values.keys()
                or measure.origin.data_digest != against.origin.data_digest
            ):
                raise EvaluationError(
                    f"tasks.{task}.data",
                    f"{name} and {baseline} were measured on different problems",
                    "run generate and grade again for this request",
                )
            estimate = paired_estimate(
                [measure.values[p] for p in against.values], list(against.values.values()), measure.bounds
            )
            yield _difference(name, baseline, task, metric, measure.better, estimate)


def _group_scores(table: Table, subjects: Sequence[EvalSubject]) -> Iterable[GroupScore]:
    for (task, metric), row in table.items():
        for group, repeats in _repeats(row, subjects).items():
            measures = list(row.values())
            estimate = mean_estimate(list(repeats.values()))
            yield GroupScore(
                group=group,
                task=task,
                metric=metric,
                better=measures[0].better,
                value=estimate.value,
                ci_low=estimate.ci_low,
                ci_high=estimate.ci_high,
                repeats=len(repeats),
                subjects=[subject.name for subject in subjects if subject.group == group and subject.name in row],
            )


def _group_differences(table: Table, request: EvalRequest) -> Iterable[Difference]:
    """Every group against each subject that is in none, then, in the request's order, each later group against each
    earlier. Of two groups the baseline's is always the one that is subtracted.
    """
    home = next(subject.group for subject in request.subjects if subject.name == request.baseline)
    alone = [subject.name for subject in request.subjects if subject.group is None]
    for (task, metric), row in table.items():
        groups = _repeats(row, request.subjects)
        better = next(iter(row.values())).better
        for name in sorted((name for name in alone if name in row), key=lambda name: name != request.baseline):
            level = _value(row[name])
            for group, repeats in groups.items():
                # It was not trained anew for each repeat: it is a fixed level here.
                estimate = repeats_estimate(list(repeats.values()), [level] * len(repeats))
                yield _difference(group, name, task, metric, better, estimate)
        for other, group in combinations(groups, 2):
            subject, baseline = (other, group) if group == home else (group, other)
            estimate = _between(groups[subject], groups[baseline])
            yield _difference(subject, baseline, task, metric, better, estimate)


def _between(left: dict[str, float], right: dict[str, float]) -> PairedEstimate:
    """Paired by repeat when both groups have the same repeats, else as independent samples."""
    if left.keys() == right.keys():
        return repeats_estimate([left[repeat] for repeat in right], list(right.values()))
    return unpaired_estimate(list(left.values()), list(right.values()))


def _repeats(row: dict[str, Measure], subjects: Sequence[EvalSubject]) -> dict[str, dict[str, float]]:
    """Group to repeat to the repeat's score; a subject without a repeat number is a repeat of its own name."""
    groups: dict[str, dict[str, float]] = {}
    for subject in subjects:
        if subject.group is not None and subject.name in row:
            repeat = f"subject {subject.name}" if subject.repeat is None else str(subject.repeat)
            groups.setdefault(subject.group, {})[repeat] = _value(row[subject.name])
    return groups


def _value(measure: Measure) -> float:
    return sum(measure.values.values()) / len(measure.values)


def _difference(
    subject: str, baseline: str, task: str, metric: str, better: Better, estimate: PairedEstimate
) -> Difference:
    shown = (
        estimate.ci_low is not None and estimate.ci_high is not None and not estimate.ci_low <= 0 <= estimate.ci_high
    )
    if not shown:
        verdict = "no difference shown"
    elif better == "neither":
        verdict = "different"
    else:
        verdict = "better" if (estimate.difference > 0) == (better == "higher") else "worse"
    return Difference.model_validate(
        {
            "subject": subject, "baseline": baseline, "task": task, "metric": metric, "better": better,
            "difference": estimate.difference, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high,
            "p_value": estimate.p_value, "detectable": estimate.detectable, "pairs": estimate.pairs, "verdict": verdict,
        }
    )  # fmt: skip
