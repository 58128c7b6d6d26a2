"""How well the intervals and tests of an evaluation keep their word, by simulation on problems that are easy or hard.

    python -m benchmarks.statistics_coverage [--trials 4000] [--seed 1]

A problem's chance of being solved has the logit -2.4 or 2.4, plus a normal deviation of 1.6: mean 0.5, standard
deviation 0.39, most problems nearly always or nearly never solved, as in the competitions that are measured on. A
second model differs by a gain and by a deviation of 0.7 for each problem (all in logits). Every trial draws new
problems and new answers and asks the functions that reports are made with; what they are compared with are the
population's own numbers, from two million problems.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.machine import machine
from numpy.typing import NDArray
from scipy import stats

from gopd_eval.core.several import mean_of_scores, rerun_error
from gopd_eval.core.statistics import mean_estimate, paired_estimate, unpaired_estimate
from gopd_eval.core.tries import pass_at_k

CENTRE, SPREAD, OWN = 2.4, 1.6, 0.7
MANY = 2_000_000
ENOUGH = 200
"""Trials that the error of a rerun is taken from: it hardly varies, and needs every single answer."""
Vector = NDArray[np.float64]
SHARE = (0.0, 1.0)


def chances(generator: np.random.Generator, problems: int, gain: float = 0.0) -> tuple[Vector, Vector]:
    """The chances of two models on the same problems."""
    logits = np.where(generator.random(problems) < 0.5, -CENTRE, CENTRE) + generator.normal(0, SPREAD, problems)
    other = logits + gain + generator.normal(0, OWN, problems)
    return share(logits), share(other)


def share(logits: Vector) -> Vector:
    """The chance of a logit."""
    found: Vector = 1 / (1 + np.exp(-logits))
    return found


@dataclass(frozen=True)
class Coverage:
    """How often 95 % intervals held the population's mean, and what errors were told and true."""

    setting: str
    covered: float
    naive: float
    """Of intervals that take every answer for an observation of its own."""
    error: float
    """Standard deviation of the score over trials."""
    told: float
    """Mean standard error that was reported."""
    told_naive: float
    rerun: float
    """Mean error of a rerun that was reported."""


def coverage(problems: int, samples: int, trials: int, seed: int, tasks: int = 1) -> Coverage:
    """The share right on `tasks` tasks of so many problems and answers; with several, the mean over them."""
    generator = np.random.default_rng(seed)
    truth = float(chances(np.random.default_rng(0), MANY)[0].mean())
    covered, naive, values, told, told_naive = 0, 0, [], [], []
    reruns: list[float] = []
    for _ in range(trials):
        right = [generator.binomial(samples, chances(generator, problems)[0]) / samples for _ in range(tasks)]
        parts = [mean_estimate(one.tolist(), SHARE) for one in right]
        found = parts[0] if tasks == 1 else mean_of_scores(parts, SHARE)
        assert found.ci_low is not None and found.ci_high is not None and found.standard_error is not None
        covered += found.ci_low <= truth <= found.ci_high
        answers = tasks * problems * samples
        single = float(np.sqrt(found.value * (1 - found.value) / (answers - 1)))
        naive += abs(found.value - truth) <= 1.96 * single
        values.append(found.value)
        told.append(found.standard_error)
        told_naive.append(single)
        if len(reruns) < ENOUGH:
            reruns.append(_rerun(np.concatenate(right), samples))
    title = (
        f"{tasks} × {problems} problems, {samples} answers" if tasks > 1 else f"{problems} problems, {samples} answers"
    )
    return Coverage(
        title, covered / trials, naive / trials, float(np.std(values)), _root_mean(told), _root_mean(told_naive),
        _root_mean(reruns),
    )  # fmt: skip


def _rerun(shares: Vector, samples: int) -> float:
    counts = np.rint(shares * samples).astype(int)
    found = rerun_error([[1.0] * int(c) + [0.0] * (samples - int(c)) for c in counts])
    assert found is not None
    return found


def _root_mean(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def rate_coverage(chance: Callable[[np.random.Generator, int], Vector], problems: int, trials: int, seed: int) -> float:
    """Coverage of the interval of a rate with one answer a problem, or of any mean of values that `chance` draws."""
    generator = np.random.default_rng(seed)
    truth = float(chance(np.random.default_rng(0), MANY).mean())
    hits = 0
    for _ in range(trials):
        found = mean_estimate(chance(generator, problems).tolist(), SHARE)
        assert found.ci_low is not None and found.ci_high is not None
        hits += found.ci_low <= truth <= found.ci_high
    return hits / trials


def passes(generator: np.random.Generator, problems: int) -> Vector:
    """pass@8 of 32 answers."""
    right = generator.binomial(32, chances(generator, problems)[0])
    by_count = np.array([pass_at_k(32, count, 8) for count in range(33)])
    found: Vector = by_count[right]
    return found


def rate(level: float, samples: int = 4) -> Callable[[np.random.Generator, int], Vector]:
    """Shares of `samples` answers where one problem in ten has ten times the chance of the others; mean `level`."""

    def draw(generator: np.random.Generator, problems: int) -> Vector:
        chance = np.where(generator.random(problems) < 0.1, 10.0, 1.0) * level / 1.9
        found: Vector = generator.binomial(samples, np.minimum(chance, 1.0)) / samples
        return found

    return draw


@dataclass(frozen=True)
class Paired:
    """What became of comparisons of two models on the same problems."""

    setting: str
    difference: float
    """The population's."""
    error: float
    """Of the paired difference, from the population."""
    covered: float
    found: float
    """Share of trials with p <= 0.05 by sign flips: the size where there is no difference, else the power."""
    predicted: float
    """The same from the population's variances (Miller 2024, section 5, with Student's t)."""
    unpaired: float
    """Share of trials that a comparison of two separate means would have shown."""
    detectable: float
    """Mean of the least detectable difference that was reported."""


def paired(problems: int, samples: int, gain: float, trials: int, seed: int) -> Paired:
    """Two models that differ by `gain` on average; at gain 0 by each problem's own deviation only."""
    generator = np.random.default_rng(seed)
    left, right = chances(np.random.default_rng(0), MANY, gain)
    if gain == 0:
        left, right = np.concatenate([left, right]), np.concatenate([right, left])
    difference = float((right - left).mean())
    answers = float((left * (1 - left)).mean() + (right * (1 - right)).mean()) / samples
    error = float(np.sqrt(((right - left).var() + answers) / problems))
    covered = shown = apart = 0
    least = []
    for _ in range(trials):
        sides = chances(generator, problems, gain)
        # The deviation alone draws chances to the middle: without a gain, sides are swapped at random and none leads.
        swap = generator.random(problems) < 0.5 * (gain == 0)
        first, second = np.where(swap, sides[1], sides[0]), np.where(swap, sides[0], sides[1])
        low, high = (generator.binomial(samples, side) / samples for side in (first, second))
        found = paired_estimate(high.tolist(), low.tolist(), SHARE)
        assert found.ci_low is not None and found.ci_high is not None and found.p_value is not None
        covered += found.ci_low <= difference <= found.ci_high
        shown += found.p_value <= 0.05
        two = unpaired_estimate(high.tolist(), low.tolist())
        apart += two.p_value is not None and two.p_value <= 0.05
        least.append(found.detectable or 0.0)
    return Paired(
        f"{problems} problems, {samples} answers, gain {gain:g}", difference, error, covered / trials, shown / trials,
        predicted_power(difference, error, problems), apart / trials, float(np.mean(least)),
    )  # fmt: skip


def predicted_power(difference: float, error: float, problems: int) -> float:
    """Chance that |T| passes t(0.975, n - 1) when T is Student's with the shift difference / error."""
    bar = stats.t.ppf(0.975, problems - 1)
    shifted = stats.nct(problems - 1, difference / error)
    return float(shifted.sf(bar) + shifted.cdf(-bar))


MEANS = [(30, 32, 1), (30, 4, 1), (30, 32, 4), (164, 4, 1), (175, 4, 1), (378, 4, 1)]
PAIRS = [(30, 32, 0.0), (30, 32, 0.3), (30, 32, 0.6), (120, 32, 0.0), (120, 32, 0.3), (164, 4, 0.0), (164, 4, 0.3)]
RATES = [
    ("pass@8 of 32 answers, 30 problems", passes, 30),
    ("a rate of 10 %, 30 problems, 4 answers", rate(0.10), 30),
    ("a rate of 2 %, 164 problems, 4 answers", rate(0.02), 164),
    ("a rate of 2 %, 30 problems, 4 answers", rate(0.02), 30),
]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Run the simulation and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000, help="Trials of each row (default: %(default)s).")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    started = time.monotonic()
    print(f"{machine()}; {given.trials} trials a row, seed {given.seed}\n")
    found = [coverage(n, k, given.trials, given.seed, tasks) for n, k, tasks in MEANS]
    titles = ["share right", "coverage", "naive", "true error", "told", "told naively", "rerun"]
    rows = [
        [one.setting, percent(one.covered), percent(one.naive)]
        + [f"{error:.4f}" for error in (one.error, one.told, one.told_naive, one.rerun)]
        for one in found
    ]
    print(table(titles, rows), flush=True)
    rates = [[name, percent(rate_coverage(draw, n, given.trials, given.seed))] for name, draw, n in RATES]
    print("\n" + table(["other intervals", "coverage"], rates), flush=True)
    pairs = [paired(n, k, gain, given.trials, given.seed) for n, k, gain in PAIRS]
    titles = ["two models", "difference", "error", "coverage", "p ≤ 0.05", "predicted", "unpaired", "detectable"]
    rows = [
        [
            one.setting, f"{one.difference:.4f}", f"{one.error:.4f}", percent(one.covered), percent(one.found),
            percent(one.predicted), percent(one.unpaired), f"{one.detectable:.4f}",
        ]
        for one in pairs
    ]  # fmt: skip
    print("\n" + table(titles, rows))
    print(f"\n{time.monotonic() - started:.0f} s")


def percent(part: float) -> str:
    """A share in per cent."""
    return f"{100 * part:.1f} %"


if __name__ == "__main__":
    main()
