"""Means over tasks, reruns of the same problems and several comparisons at once, as known and as simulated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gopd_eval.core.several import holm, mean_of_differences, mean_of_scores, rerun_error
from gopd_eval.core.statistics import mean_estimate, paired_estimate


def test_the_rerun_error_of_shares_is_the_formula_of_shares() -> None:
    right, k = [0, 3, 8, 5], 8
    answers = [[1.0] * c + [0.0] * (k - c) for c in right]
    shares = np.array(right) / k
    assert rerun_error(answers) == pytest.approx(np.sqrt(np.mean(shares * (1 - shares) / (k - 1)) / len(right)))


def test_the_rerun_error_is_what_reruns_spread_by() -> None:
    generator = np.random.default_rng(11)
    chances = generator.beta(0.4, 0.4, 20)
    runs = generator.random((2000, 20, 4)) < chances[:, None]
    spread = runs.mean(axis=(1, 2)).std()
    errors = [rerun_error(run.astype(float).tolist()) for run in runs[:300]]
    assert np.mean([error**2 for error in errors if error is not None]) == pytest.approx(spread**2, rel=0.1)
    clustered = mean_estimate(runs[0].mean(axis=1).tolist()).standard_error
    assert clustered is not None and clustered > 2 * spread, "other problems move a score more than other draws"


def test_one_answer_a_problem_cannot_tell_what_a_rerun_would_give() -> None:
    assert rerun_error([[1.0], [0.0]]) is None
    assert rerun_error([[1.0, 0.0], [0.0]]) is None
    assert rerun_error([]) is None


def test_a_mean_over_tasks_counts_every_task_once() -> None:
    tasks = [mean_estimate([0.0, 1.0, 1.0, 0.5]), mean_estimate([0.25] * 50 + [0.75] * 50)]
    found = mean_of_scores(tasks)
    assert found.value == pytest.approx((0.625 + 0.5) / 2)
    assert tasks[0].standard_error is not None and tasks[1].standard_error is not None
    assert found.standard_error == pytest.approx(np.hypot(tasks[0].standard_error, tasks[1].standard_error) / 2)
    assert found.ci_low is not None and found.ci_high is not None
    first, second = ((task.ci_high or 0) - (task.ci_low or 0) for task in tasks)
    assert found.ci_high - found.ci_low == pytest.approx(np.hypot(first, second) / 2)


def test_a_task_that_nobody_solved_still_widens_the_mean() -> None:
    unsolved, solved = mean_estimate([0.0] * 30, (0, 1)), mean_estimate([0.0, 1.0] * 15, (0, 1))
    both = mean_of_scores([unsolved, solved], (0, 1))
    assert both.ci_high is not None and solved.ci_high is not None
    assert both.ci_high - both.value > (solved.ci_high - solved.value) / 2
    assert mean_of_scores([mean_estimate([0.5]), solved]).ci_low is None


def test_differences_over_tasks_are_tested_over_all_problems() -> None:
    gaps = [[0.1, 0.3, 0.2], [0.2, 0.1]]
    parts = [paired_estimate(gap, [0.0] * len(gap)) for gap in gaps]
    found = mean_of_differences(parts, gaps)
    assert found.difference == pytest.approx((0.2 + 0.15) / 2)
    assert found.pairs == 5
    assert found.p_value == 2 / 2**5, "all five point one way"
    first, second = (part.detectable or 0 for part in parts)
    assert found.detectable == pytest.approx(np.hypot(first, second) / 2)


def test_a_mean_difference_covers_what_it_should() -> None:
    generator = np.random.default_rng(12)
    hits = significant = 0
    for _ in range(400):
        gaps = [generator.normal(0, spread, size).tolist() for spread, size in ((0.1, 30), (0.3, 12))]
        found = mean_of_differences([paired_estimate(gap, [0.0] * len(gap)) for gap in gaps], gaps)
        assert found.ci_low is not None and found.ci_high is not None and found.p_value is not None
        hits += found.ci_low <= 0 <= found.ci_high
        significant += found.p_value <= 0.05
    assert 0.92 < hits / 400 <= 0.98
    assert 0.02 < significant / 400 < 0.085


def test_holm_is_holms() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, None, 0.9]) == [0.8, None, 0.9]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_adjusting_never_lowers_a_p_nor_swaps_two(p_values: list[float]) -> None:
    adjusted = [p for p in holm(p_values) if p is not None]
    assert all(raw <= new <= 1 for raw, new in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


def test_holm_keeps_false_findings_of_three_comparisons_at_five_percent() -> None:
    generator = np.random.default_rng(13)
    false = 0
    for _ in range(2000):
        p_values = [float(stats.norm.sf(abs(z)) * 2) for z in generator.normal(0, 1, 3)]
        false += any(p is not None and p <= 0.05 for p in holm(p_values))
    assert false / 2000 == pytest.approx(0.05, abs=0.015)
