"""The simulation of `benchmarks/statistics_coverage.py`, shorter: do intervals and tests do what they promise?"""

import pytest
from benchmarks.statistics_coverage import coverage, paired, predicted_power, rate, rate_coverage


@pytest.mark.parametrize(("problems", "tasks"), [(30, 1), (30, 4), (164, 1)])
def test_intervals_over_problems_cover_the_truth_and_naive_ones_do_not(problems: int, tasks: int) -> None:
    found = coverage(problems, 32, trials=1000, seed=21, tasks=tasks)
    assert 0.935 <= found.covered <= 0.965
    assert found.naive < 0.5, "as if 32 answers to a problem were 32 problems"
    assert found.told == pytest.approx(found.error, rel=0.06)
    assert found.told_naive < found.error / 4


def test_the_published_sizes_have_the_errors_that_they_should() -> None:
    one = coverage(30, 32, trials=300, seed=22)
    assert one.told == pytest.approx(0.071, abs=0.002)
    assert one.told_naive == pytest.approx(0.016, abs=0.001)
    assert one.rerun == pytest.approx(0.010, abs=0.001)


def test_the_paired_test_has_its_size_and_its_power() -> None:
    same = paired(30, 32, gain=0.0, trials=500, seed=23)
    assert same.found == pytest.approx(0.05, abs=0.025)
    assert 0.93 <= same.covered <= 0.97
    assert same.predicted == pytest.approx(0.05)
    better = paired(30, 32, gain=0.6, trials=300, seed=24)
    assert better.found == pytest.approx(better.predicted, abs=0.06)
    assert better.unpaired < 0.05 < better.found, "without pairing nothing is seen of it"
    power = predicted_power(better.detectable, better.error, 30)
    assert power == pytest.approx(0.8, abs=0.06), "what is called detectable is detected four times in five"


def test_a_rare_event_is_where_intervals_fall_short() -> None:
    assert 0.85 < rate_coverage(rate(0.02), 164, trials=800, seed=25) < 0.95
