"""Intervals and tests against known values; what they promise is simulated in `test_coverage`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gopd_eval.core.statistics import (
    mean_estimate,
    paired_estimate,
    repeats_estimate,
    sign_flip_p,
    unpaired_estimate,
)


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.1, 0.4, 0.4, 0.8, 1.0]
    found = mean_estimate(values)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.standard_error) == pytest.approx((0.54, stats.sem(values)))
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high))


def test_one_problem_has_no_interval() -> None:
    assert mean_estimate([0.5]).ci_low is None
    assert paired_estimate([1.0], [0.0]).ci_low is None


def test_no_success_in_thirty_problems_leaves_room_for_some() -> None:
    found = mean_estimate([0.0] * 30, bounds=(0, 1))
    assert (found.ci_low, found.ci_high) == pytest.approx((0.0, stats.beta.ppf(0.975, 1, 30)))
    tied = paired_estimate([0.0] * 30, [0.0] * 30, bounds=(0, 1))
    assert tied.ci_high == found.ci_high
    assert tied.detectable is None


def test_a_share_never_has_an_interval_beyond_its_bounds() -> None:
    found = mean_estimate([0.0] * 9 + [1.0], bounds=(0, 1))
    assert found.ci_low == 0
    assert found.ci_high is not None and 0.1 < found.ci_high < 1


def test_the_least_detectable_difference_is_detected_four_times_in_five() -> None:
    generator = np.random.default_rng(3)
    detectable = float(np.mean([_detectable(generator.normal(0, 1, 30)) for _ in range(150)]))
    found = [paired_estimate(generator.normal(detectable, 1, 30).tolist(), [0.0] * 30) for _ in range(600)]
    assert np.mean([f.ci_low is not None and f.ci_low > 0 for f in found]) == pytest.approx(0.8, abs=0.05)


def _detectable(values: np.ndarray) -> float:
    found = paired_estimate(values.tolist(), [0.0] * len(values)).detectable
    assert found is not None
    return found


@pytest.mark.parametrize("pairs", [8, 40])
def test_the_permutation_p_is_uniform_when_nothing_differs(pairs: int) -> None:
    generator = np.random.default_rng(4)
    p_values = [sign_flip_p(generator.normal(0, 1, pairs)) for _ in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.035)


def test_the_permutation_p_counts_all_patterns_of_few_differences() -> None:
    assert sign_flip_p([1.0, 1.0, 1.0]) == 0.25
    assert sign_flip_p([1.0, 1.0, 1.0, 0.0, 0.0]) == 0.25
    assert sign_flip_p([0.1, 0.2, -0.3]) == 1.0
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_the_drawn_p_agrees_with_the_counted_one() -> None:
    differences = np.random.default_rng(5).normal(0.5, 1, 18)
    signs = 1 - 2.0 * (np.arange(2**18)[:, None] >> np.arange(18) & 1)
    exact = float(np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9))
    assert sign_flip_p(differences) == pytest.approx(exact, abs=4 * math.sqrt(exact / 10_000))
    assert sign_flip_p(differences) == sign_flip_p(differences), "the draws have a fixed seed"


def test_welch_is_scipys() -> None:
    left, right = [1.0, 2.0, 4.0, 4.5], [0.0, 0.5, 0.7]
    found, known = unpaired_estimate(left, right), stats.ttest_ind(left, right, equal_var=False)
    interval = known.confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(known.pvalue)


def test_repeats_have_the_p_of_the_t_test_that_their_interval_is_made_from() -> None:
    subject, baseline = [0.880, 0.879, 0.8645], [0.853, 0.8615, 0.844]
    found, flips = repeats_estimate(subject, baseline), paired_estimate(subject, baseline)
    assert found.p_value == pytest.approx(stats.ttest_rel(subject, baseline).pvalue)
    assert found.p_value is not None and found.p_value < 0.05 and flips.p_value == 0.25
    assert (found.ci_low, found.ci_high) == (flips.ci_low, flips.ci_high)
    assert repeats_estimate([0.5], [0.4]).p_value is None
    assert repeats_estimate([0.5, 0.5], [0.25, 0.25]).p_value is None, "no spread, nothing to judge by"


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
def test_swapping_the_sides_turns_the_difference_round(values: list[float]) -> None:
    zeros = [0.0] * len(values)
    there, back = paired_estimate(values, zeros), paired_estimate(zeros, values)
    assert there.difference == -back.difference
    assert there.p_value == back.p_value
    assert there.ci_low is not None and back.ci_high is not None
    assert there.ci_low == pytest.approx(-back.ci_high, abs=1e-12)


def test_equal_values_leave_room_on_both_sides_however_they_were_rounded() -> None:
    halves = mean_estimate([0.5] * 10, bounds=(0, 1))
    reach = stats.beta.ppf(0.975, 1, 10)
    assert (halves.ci_low, halves.ci_high) == pytest.approx((0.5 - reach / 2, 0.5 + reach / 2))
    rounded = mean_estimate([0.3, 0.1 + 0.2] * 5, bounds=(0, 1))
    assert rounded.ci_low is not None and rounded.ci_low < 0.25
    all_right = mean_estimate([1.0] * 10, bounds=(0, 1))
    assert (all_right.ci_low, all_right.ci_high) == pytest.approx((1 - reach, 1.0))


def test_a_difference_that_is_the_same_everywhere_is_not_known_exactly() -> None:
    found = paired_estimate([1.0] * 6, [0.0] * 6, bounds=(0, 1))
    assert (found.ci_high, found.p_value, found.detectable) == (1.0, 2 / 64, None)
    assert found.ci_low == pytest.approx(1 - 2 * stats.beta.ppf(0.975, 1, 6))
    small = paired_estimate([0.4, 0.5, 0.1 + 0.2], [0.3, 0.4, 0.2], bounds=(0, 1))
    assert small.ci_low is not None and small.ci_low < 0, "three problems that all moved by 0.1 show nothing yet"


def test_repeats_that_do_not_scatter_show_nothing() -> None:
    """Three seeds that all gained 0.1 would else have an interval of no width, or a p of rounding errors."""
    for found in (repeats_estimate([0.5, 0.6, 0.8], [0.4, 0.5, 0.7]), unpaired_estimate([0.5, 0.5], [0.4] * 3)):
        assert found.difference == pytest.approx(0.1)
        assert (found.ci_low, found.ci_high, found.p_value, found.detectable) == (None, None, None, None)
