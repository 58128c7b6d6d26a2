"""Subjects against the baseline, and groups of repeats against each other.

Subjects are paired by problem. Groups are means over their repeats (training runs with other seeds), with intervals
over the repeats: they say what another training run would give, on these problems. A difference is shown when its 95 %
interval leaves out 0 and its p is at most 5 %: over few problems that differ the interval alone promises too much.
With more than two subjects every p has Holm's beside it, over the subjects that were compared on that task and metric;
several tasks and metrics are not corrected for.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, TypeVar

from gopd_api.reports import Comparison, Contrast, Difference, GroupScore, MeanDifference, MeanScore, Setting
from gopd_api.requests import EvalRequest, EvalSubject
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.measures import SHARE, Better, Measure
from gopd_eval.core.several import holm, mean_of_differences, mean_of_scores
from gopd_eval.core.statistics import (
    LEVEL,
    Estimate,
    PairedEstimate,
    mean_estimate,
    paired_estimate,
    repeats_estimate,
    unpaired_estimate,
)
from gopd_eval.core.subjects import check_subjects

Table = dict[tuple[str, str], dict[str, Measure]]
"""(task, metric) to the measures of each subject, in the order of the request."""
C = TypeVar("C", bound=Contrast)
MEAN = "avg"
"""The metric that means over tasks are made of: the share right, whatever the number of answers a task draws."""


def compare_subjects(request: EvalRequest, measures: Sequence[Measure], setting: Setting | None = None) -> Comparison:
    """The whole comparison of a request's subjects; raises EvaluationError when subjects cannot be paired."""
    check_subjects(request)
    table: Table = {}
    for measure in measures:
        table.setdefault((measure.origin.task, measure.metric), {})[measure.origin.subject] = measure
    headline = {key: row for key, row in table.items() if all(measure.headline for measure in row.values())}
    return Comparison(
        request_digest=request.digest(),
        baseline=request.baseline,
        scores=[measure.score() for measure in measures],
        means=mean_scores(measures),
        differences=_adjusted(list(_differences(headline, request.baseline))),
        mean_differences=_adjusted(list(_mean_differences(headline, request))),
        groups=list(_group_scores(headline, request.subjects)),
        group_differences=_adjusted(list(_group_differences(headline, request))),
        setting=setting,
    )


def mean_scores(measures: Sequence[Measure]) -> list[MeanScore]:
    """The mean over tasks of each subject's share right, where it has been measured on several."""
    found: dict[str, list[Measure]] = {}
    for measure in measures:
        if measure.metric.partition("@")[0] == MEAN:
            found.setdefault(measure.origin.subject, []).append(measure)
    return [_mean_score(subject, row) for subject, row in found.items() if len(row) > 1]


def _mean_score(subject: str, row: Sequence[Measure]) -> MeanScore:
    scores = [measure.score() for measure in row]
    parts = [Estimate(score.value, score.standard_error, score.ci_low, score.ci_high) for score in scores]
    estimate = mean_of_scores(parts, SHARE)
    reruns = [score.rerun_error for score in scores if score.rerun_error is not None]
    return MeanScore(
        subject=subject,
        tasks=[measure.origin.task for measure in row],
        metric=MEAN,
        better=row[0].better,
        value=estimate.value,
        standard_error=estimate.standard_error,
        rerun_error=sum(error**2 for error in reruns) ** 0.5 / len(row) if len(reruns) == len(row) else None,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
    )


def _adjusted(contrasts: list[C]) -> list[C]:
    """Every contrast with its p adjusted for those of the same task and metric."""
    families: dict[tuple[str, ...], list[int]] = {}
    for place, one in enumerate(contrasts):
        task = one.task if isinstance(one, Difference) else ""
        families.setdefault((task, one.metric), []).append(place)
    adjusted = list(contrasts)
    for places in families.values():
        if len(places) > 1:
            p_values = holm([contrasts[place].p_value for place in places])
            for place, p_value in zip(places, p_values, strict=True):
                adjusted[place] = contrasts[place].model_copy(update={"adjusted_p": p_value})
    return adjusted


def _differences(table: Table, baseline: str) -> Iterable[Difference]:
    for (task, metric), row in table.items():
        if baseline not in row:
            continue
        against = row[baseline]
        for name, measure in row.items():
            if name != baseline:
                estimate = paired_estimate(*_paired(measure, against), measure.bounds)
                yield Difference(task=task, **_contrast(name, baseline, metric, measure.better, estimate))


def _paired(measure: Measure, against: Measure) -> tuple[list[float], list[float]]:
    """The values of both for the same problems in the same order."""
    if measure.values.keys() != against.values.keys() or measure.origin.data_digest != against.origin.data_digest:
        raise EvaluationError(
            f"tasks.{measure.origin.task}.data",
            f"{measure.origin.subject} and {against.origin.subject} were measured on different problems",
            "run generate and grade again for this request",
        )
    return [measure.values[problem] for problem in against.values], list(against.values.values())


def _mean_differences(table: Table, request: EvalRequest) -> Iterable[MeanDifference]:
    """Each subject against the baseline over all tasks with a share right, where there are several of them."""
    rows = [row for (_, metric), row in table.items() if metric.partition("@")[0] == MEAN]
    for subject in request.subjects:
        both = [row for row in rows if subject.name in row and request.baseline in row]
        if subject.name == request.baseline or len(both) < 2:
            continue
        sides = [_paired(row[subject.name], row[request.baseline]) for row in both]
        parts = [paired_estimate(*side, SHARE) for side in sides]
        gaps = [[left - right for left, right in zip(*side, strict=True)] for side in sides]
        estimate = mean_of_differences(parts, gaps)
        better = both[0][subject.name].better
        tasks = [row[subject.name].origin.task for row in both]
        yield MeanDifference(tasks=tasks, **_contrast(subject.name, request.baseline, MEAN, better, estimate))


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
                yield Difference(task=task, **_contrast(group, name, metric, better, estimate))
        for other, group in combinations(groups, 2):
            subject, baseline = (other, group) if group == home else (group, other)
            estimate = _between(groups[subject], groups[baseline])
            yield Difference(task=task, **_contrast(subject, baseline, metric, better, estimate))


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


def _is_shown(estimate: PairedEstimate) -> bool:
    """Both must say so, where there is a p: five problems of thirty that all changed one way have p 0.0625."""
    if estimate.ci_low is None or estimate.ci_high is None or estimate.ci_low <= 0 <= estimate.ci_high:
        return False
    return estimate.p_value is None or estimate.p_value <= 1 - LEVEL


def _contrast(subject: str, baseline: str, metric: str, better: Better, estimate: PairedEstimate) -> dict[str, Any]:
    """The fields that differences of every kind share."""
    if not _is_shown(estimate):
        verdict = "no difference shown"
    elif better == "neither":
        verdict = "different"
    else:
        verdict = "better" if (estimate.difference > 0) == (better == "higher") else "worse"
    return {
        "subject": subject, "baseline": baseline, "metric": metric, "better": better,
        "difference": estimate.difference, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high,
        "p_value": estimate.p_value, "detectable": estimate.detectable, "pairs": estimate.pairs, "verdict": verdict,
    }  # fmt: skip
