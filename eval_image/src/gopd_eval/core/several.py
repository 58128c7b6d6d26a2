"""Numbers over more than one score: means over tasks, reruns of the same problems, and several comparisons at once.

It puts together what `statistics` says of single tasks, whose problems are taken to be independent of each other.
"""

from collections.abc import Sequence

import numpy as np

from gopd_eval.core.statistics import Estimate, PairedEstimate, sign_flip_p


def rerun_error(answers: Sequence[Sequence[float]]) -> float | None:
    """Standard error of the mean if only the answers were drawn anew: sqrt(sum_i v_i / K_i) / n.

    v_i is the variance of problem i's K_i answers, with K_i - 1 below. For shares it is
    sqrt(mean_i[s_i (1 - s_i) / (K - 1)] / n): the answers' part of the variance without bias, the problems' part left
    out (Miller 2024, arXiv 2411.00640, section 3.1). `answers` has one list a problem; None when a problem has one
    answer only, whose spread cannot be known.
    """
    if not answers or min(map(len, answers)) < 2:
        return None
    variances = [float(np.var(values, ddof=1)) / len(values) for values in answers]
    return float(np.sqrt(sum(variances))) / len(answers)


def mean_of_scores(scores: Sequence[Estimate], bounds: tuple[float, float] | None = None) -> Estimate:
    """The mean of T scores, each task counting once whatever its size: SE = sqrt(sum_t SE_t^2) / T.

    The interval recovers the spread from the tasks' own intervals, mean - sqrt(sum_t (value_t - low_t)^2) / T and
    likewise above (Zou and Donner 2008, Statistics in Medicine 27: 1693): so a task that nobody solved adds its own
    uncertainty, though its SE is 0. None where a task has no interval.
    """
    value = float(np.mean([score.value for score in scores]))
    errors = [score.standard_error for score in scores]
    low, high = _recovered([(score.value, score.ci_low, score.ci_high) for score in scores])
    if low is None or high is None or any(error is None for error in errors):
        return Estimate(value, None, None, None)
    error = _mean_root([e for e in errors if e is not None])
    if bounds is not None:
        low, high = max(bounds[0], low), min(bounds[1], high)
    return Estimate(value, error, low, high)


def mean_of_differences(differences: Sequence[PairedEstimate], pairs: Sequence[Sequence[float]]) -> PairedEstimate:
    """The mean of T paired differences; intervals as in `mean_of_scores`, detectable = sqrt(sum_t detectable_t^2) / T.

    `pairs` are the differences by problem, task by task. p is the sign-flip test over all problems at once, a problem
    of task t weighing 1 / (T n_t): the statistic is the mean of differences itself.
    """
    value = float(np.mean([one.difference for one in differences]))
    count = sum(one.pairs for one in differences)
    low, high = _recovered([(one.difference, one.ci_low, one.ci_high) for one in differences])
    if low is None or high is None:
        return PairedEstimate(value, None, None, None, None, count)
    weighted = [np.asarray(task, dtype=np.float64) / len(task) for task in pairs]
    least = [one.detectable for one in differences if one.detectable is not None]
    detectable = _mean_root(least) if len(least) == len(differences) else None
    return PairedEstimate(value, low, high, sign_flip_p(np.concatenate(weighted)), detectable, count)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p adjusted for m comparisons: the i-th smallest becomes max over j <= i of min(1, (m - j + 1) p_(j)).

    With p <= 0.05 as the bar the chance of any false finding among them is at most 5 % (Holm 1979, Scandinavian Journal
    of Statistics 6: 65). Comparisons without a p are not counted.
    """
    ordered = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * p))
        adjusted[place] = largest
    return adjusted


def _recovered(parts: Sequence[tuple[float, float | None, float | None]]) -> tuple[float | None, float | None]:
    """The interval of a mean of independent parts, each given as value, low and high."""
    below = [value - low for value, low, _ in parts if low is not None]
    above = [high - value for value, _, high in parts if high is not None]
    if not parts or len(below) < len(parts) or len(above) < len(parts):
        return None, None
    value = float(np.mean([part[0] for part in parts]))
    return value - _mean_root(below), value + _mean_root(above)


def _mean_root(values: Sequence[float]) -> float:
    return float(np.sqrt(np.sum(np.square(values)))) / len(values)
