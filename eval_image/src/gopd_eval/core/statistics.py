"""Intervals, tests and detectable differences for scores that were measured on a sample of problems.

The unit is the problem: several answers to one problem are one observation, their mean (clustering by problem; Miller
2024, "Adding Error Bars to Evals", arXiv 2411.00640, sections 2 and 3). Two subjects are compared on the same problems,
by the differences of those means (ibid., section 4). Nothing here knows what was measured. How well the intervals keep
their word is measured by `benchmarks/statistics_coverage.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
POWER = 0.8
EXACT_SIGN_FLIPS = 14
"""Up to so many non-zero differences all 2^n sign patterns are counted; beyond, `DRAWS` random ones."""
ROUNDING = 1e-12
DRAWS = 10_000
DRAW_SEED = 20_241_101

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and 95 % interval; None where one observation cannot tell."""

    value: float
    standard_error: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class PairedEstimate:
    """A mean difference with its 95 % interval, p and least detectable difference."""

    difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    detectable: float | None
    pairs: int


def t_quantile(share: float, freedom: float) -> float:
    """Quantile of Student's t."""
    return float(stdtrit(freedom, share))


def mean_estimate(values: Sequence[float], bounds: tuple[float, float] | None = None) -> Estimate:
    """Mean of one value a problem, with SE = sd / sqrt(n) (n - 1 in sd) and mean +- t(0.975, n - 1) SE.

    With `bounds` the interval is cut to them. When all values are the same (no problem solved, or all, or each by half
    its answers), the t interval would have no width; it is what n out of n allow instead, see `_unanimous`.
    """
    observed = np.asarray(values, dtype=np.float64)
    mean = float(observed.mean())
    if observed.size < 2:
        return Estimate(mean, None, None, None)
    error = float(observed.std(ddof=1) / np.sqrt(observed.size))
    margin = t_quantile((1 + LEVEL) / 2, observed.size - 1) * error
    low, high = mean - margin, mean + margin
    if bounds is not None:
        low, high = _unanimous(mean, bounds, observed.size) if _is_one(observed) else (low, high)
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(mean, error, low, high)


def _unanimous(value: float, bounds: tuple[float, float], count: int) -> tuple[float, float]:
    """What n equal values allow the mean to be: at the 5 % level a share of 1 - 0.025^(1/n) may be at either bound.

    At a bound this is Clopper and Pearson's interval for n out of n.
    """
    reach = _reach(count)
    return value - reach * (value - bounds[0]), value + reach * (bounds[1] - value)


def _is_one(values: Vector) -> bool:
    """Whether all are the same, but for the rounding of what they were computed from."""
    return bool(np.ptp(values) <= ROUNDING)


def _reach(count: int) -> float:
    """Largest share that 0 in `count` leaves possible at the 5 % level (two-sided; Clopper and Pearson 1934)."""
    return float(1 - ((1 - LEVEL) / 2) ** (1 / count))


def paired_estimate(
    subject: Sequence[float], baseline: Sequence[float], bounds: tuple[float, float] | None = None
) -> PairedEstimate:
    """Mean of d_i = subject_i - baseline_i over the same problems, SE = sd(d) / sqrt(n), t interval.

    The least detectable difference is (t(0.975, n - 1) + t(0.8, n - 1)) SE: a true difference of that size would have
    been shown with probability 0.8 (Miller 2024, section 5, with t for z because n is small).

    When all problems differ by the same (or none does), the t interval would have no width. For values within `bounds`
    it is then what n out of n allow, and nothing is said about what could have been detected.
    """
    differences = np.asarray(subject, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    count = int(differences.size)
    mean = float(differences.mean())
    if count < 2:
        return PairedEstimate(mean, None, None, None, None, count)
    if bounds is not None and _is_one(differences):
        width = bounds[1] - bounds[0]
        return PairedEstimate(mean, *_unanimous(mean, (-width, width), count), sign_flip_p(differences), None, count)
    error = float(differences.std(ddof=1) / np.sqrt(count))
    critical, reserve = (t_quantile(q, count - 1) for q in ((1 + LEVEL) / 2, POWER))
    return PairedEstimate(
        difference=mean,
        ci_low=mean - critical * error,
        ci_high=mean + critical * error,
        p_value=sign_flip_p(differences),
        detectable=(critical + reserve) * error,
        pairs=count,
    )


def repeats_estimate(subject: Sequence[float], baseline: Sequence[float]) -> PairedEstimate:
    """`paired_estimate` over repeats of a training, with the p of the t test that the interval is made from.

    Three repeats have eight sign patterns, so the sign-flip p could never fall below 0.25, whatever was measured.
    Repeats that do not scatter tell nothing of how far others would: there is no interval then.
    """
    estimate = paired_estimate(subject, baseline)
    if estimate.ci_high is None or _is_one(np.subtract(subject, baseline)):
        return PairedEstimate(estimate.difference, None, None, None, None, estimate.pairs)
    freedom = estimate.pairs - 1
    error = (estimate.ci_high - estimate.difference) / t_quantile((1 + LEVEL) / 2, freedom)
    return replace(estimate, p_value=float(2 * stdtr(freedom, -abs(estimate.difference) / error)))


def unpaired_estimate(subject: Sequence[float], baseline: Sequence[float]) -> PairedEstimate:
    """Difference of two independent means with Welch's interval (Welch 1947); p by Welch's test.

    SE^2 = sd_a^2 / n_a + sd_b^2 / n_b, degrees of freedom by Welch and Satterthwaite. Where a side has one value, or
    neither scatters, there is no spread to judge by: the difference then has no interval.
    """
    left, right = np.asarray(subject, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    mean = float(left.mean() - right.mean())
    pairs = int(min(left.size, right.size))
    if pairs < 2 or (_is_one(left) and _is_one(right)):
        return PairedEstimate(mean, None, None, None, None, pairs)
    parts = [float(side.var(ddof=1) / side.size) for side in (left, right)]
    error = float(np.sqrt(sum(parts)))
    freedom = sum(parts) ** 2 / sum(part**2 / (side.size - 1) for part, side in zip(parts, (left, right), strict=True))
    critical, reserve = (t_quantile(q, freedom) for q in ((1 + LEVEL) / 2, POWER))
    p_value = float(2 * stdtr(freedom, -abs(mean) / error))
    return PairedEstimate(
        mean, mean - critical * error, mean + critical * error, p_value, (critical + reserve) * error, pairs
    )


def sign_flip_p(differences: Vector | Sequence[float]) -> float:
    """Two-sided p of the sign-flip (permutation) test that the differences are symmetric about 0.

    p is the share of sign patterns whose |mean| is at least the observed one: all 2^n patterns when few differences are
    not 0, otherwise (1 + hits) / (1 + draws) over random patterns with a fixed seed (Phipson and Smyth 2010). Zeros do
    not change a mean by flipping and are left out.
    """
    observed = np.asarray(differences, dtype=np.float64)
    observed = observed[observed != 0]
    if observed.size == 0:
        return 1.0
    # Sums that are equal on paper differ in the last bits by the order of their terms.
    bar = abs(observed.sum()) - 1e-9 * np.abs(observed).sum()
    if observed.size <= EXACT_SIGN_FLIPS:
        bits = np.arange(2**observed.size)[:, None] >> np.arange(observed.size)
        return float(np.mean(np.abs((1.0 - 2.0 * (bits & 1)) @ observed) >= bar))
    generator = np.random.default_rng(DRAW_SEED)
    hits, drawn = 0, 0
    while drawn < DRAWS:
        rows = min(DRAWS - drawn, max(1, 2_000_000 // observed.size))
        signs = generator.integers(0, 2, size=(rows, observed.size), dtype=np.int8).astype(np.float64) * 2.0 - 1.0
        hits += int(np.count_nonzero(np.abs(signs @ observed) >= bar))
        drawn += rows
    return (1 + hits) / (1 + DRAWS)
