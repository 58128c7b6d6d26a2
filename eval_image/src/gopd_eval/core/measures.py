"""From grades and divergences to measures, one value a problem, and from measures to scores with intervals.

It decides which metrics a task has, which way each is better, and what a problem's value is. What could
not be graded counts as not correct: it is in the counts, and a score never leaves a sample out.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gopd_api.reports import Counts, Score
from gopd_eval.core.digests import digest
from gopd_eval.core.grading import count
from gopd_eval.core.samples import Divergence, Grade, Record, Sample
from gopd_eval.core.several import rerun_error
from gopd_eval.core.statistics import mean_estimate
from gopd_eval.core.tries import maj_at_k, pass_at_k

Better = Literal["higher", "lower", "neither"]
SHARE = (0.0, 1.0)
DIVERGENCE_VERSION = "1"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Classes = Mapping[str, Sequence[int | None]]
"""Problem id to the equivalence class of each answer, in the order of the samples."""
NO_CLASSES: Classes = {}


@dataclass(frozen=True)
class Origin:
    """What a measure was taken of, carried into every score."""

    subject: str
    task: str
    data_digest: str
    generations_digest: str
    isolation: str = ""
    """What generated code was kept in while it was graded; empty when none was run."""


@dataclass(frozen=True)
class Measure:
    """One metric of one subject on one task: a value for each problem id."""

    origin: Origin
    metric: str
    better: Better
    values: dict[str, float]
    grader: str
    bounds: tuple[float, float] | None = None
    counts: Counts | None = None
    headline: bool = True
    answers: tuple[tuple[float, ...], ...] = ()
    """The values of single answers, problem by problem, where the problems' values are their means."""
    quantiles: tuple[float, ...] = ()
    samples: int = 1
    grades: tuple[Grade, ...] = ()
    """Of the main metric: what became of every answer."""

    @property
    def ids_digest(self) -> str:
        """Digest of the problems' ids, in whatever order they were asked."""
        return digest(sorted(self.values))

    def score(self) -> Score:
        """Mean over problems with its problem-clustered error and 95 % interval, and the error of a rerun."""
        estimate = mean_estimate(list(self.values.values()), self.bounds)
        return Score(
            subject=self.origin.subject,
            task=self.origin.task,
            metric=self.metric,
            better=self.better,
            headline=self.headline,
            value=estimate.value,
            standard_error=estimate.standard_error,
            rerun_error=rerun_error(self.answers),
            ci_low=estimate.ci_low,
            ci_high=estimate.ci_high,
            quantiles=list(self.quantiles),
            problems=len(self.values),
            samples=self.samples,
            counts=self.counts,
            data_digest=self.origin.data_digest,
            ids_digest=self.ids_digest,
            generations_digest=self.origin.generations_digest,
            grader=self.grader,
        )


def graded_measures(
    origin: Origin, grades: Sequence[Grade], samples: int, grader: str, classes: Classes = NO_CLASSES
) -> list[Measure]:
    """`avg@k`, unbiased `pass@j`, with classes `maj@j` (j = 2, 4, 8, ... and k), and rates and lengths.

    `samples` is k, the answers to each problem. avg@k is the mean over problems of s_i = right answers / k, which is
    also the unbiased pass@1. `no_answer` and `truncated` are shares of answers: ended without one, and cut at the
    length limit.
    """
    right = _per_problem([(grade, float(grade.verdict == "correct")) for grade in grades])
    shared: dict[str, Any] = {"bounds": SHARE, "samples": samples}
    told = {"counts": count(grades), "grades": tuple(grades)}
    measures = [_mean_measure(origin, f"avg@{samples}", "higher", right, grader, **shared, **told)]
    for k in pass_sizes(samples):
        chance = {problem: pass_at_k(len(values), round(sum(values)), k) for problem, values in right.items()}
        measures.append(Measure(origin, f"pass@{k}", "higher", chance, grader, **shared, headline=k == samples))
    for k in pass_sizes(samples) if classes else []:
        votes = {problem: maj_at_k(classes[problem], [v > 0 for v in found], k) for problem, found in right.items()}
        measures.append(Measure(origin, f"maj@{k}", "higher", votes, grader, **shared, headline=k == samples))
    silent = _per_problem([(grade, float(grade.verdict == "no_answer")) for grade in grades])
    lengths = [(grade, float(grade.response_tokens)) for grade in grades]
    cut = [(grade, float(grade.finish == "length")) for grade in grades]
    return [
        *measures,
        *_length_measures(origin, lengths, cut, grader, samples),
        _mean_measure(origin, "no_answer", "neither", silent, grader, **shared),
    ]


def divergence_measures(
    origin: Origin, divergences: Sequence[Divergence], samples: Sequence[Sample], teacher_digest: str
) -> list[Measure]:
    """`kl` (mean nats a token of each answer, then over a problem's answers), `response_tokens` and `truncated`."""
    grader = f"kl-to-teacher {DIVERGENCE_VERSION} (teacher {teacher_digest[:80]})"
    drawn = max(Counter(sample.problem for sample in samples).values(), default=1)
    per_token = _per_problem([(divergence, divergence.per_token) for divergence in divergences])
    measures = [_mean_measure(origin, "kl", "lower", per_token, grader, samples=drawn)]
    lengths = [(sample, float(len(sample.tokens))) for sample in samples]
    cut = [(sample, float(sample.finish == "length")) for sample in samples]
    return measures + _length_measures(origin, lengths, cut, grader, drawn)


def pass_sizes(samples: int) -> list[int]:
    """The k of `pass@k`: powers of two from 2 up to the samples, and the samples themselves (pass@1 is avg@k)."""
    powers = [2**power for power in range(1, samples.bit_length()) if 2**power <= samples]
    return sorted({*powers, samples} - {1})


def _length_measures(
    origin: Origin,
    lengths: Sequence[tuple[Record, float]],
    cut: Sequence[tuple[Record, float]],
    grader: str,
    samples: int,
) -> list[Measure]:
    spread = tuple(float(q) for q in np.quantile([length for _, length in lengths], QUANTILES)) if lengths else ()
    return [
        _mean_measure(
            origin, "response_tokens", "neither", _per_problem(lengths), grader, samples=samples, quantiles=spread
        ),
        _mean_measure(origin, "truncated", "neither", _per_problem(cut), grader, samples=samples, bounds=SHARE),
    ]


def _mean_measure(
    origin: Origin, metric: str, better: Better, answers: dict[str, list[float]], grader: str, **more: Any
) -> Measure:
    """The measure whose value of a problem is the mean over its answers."""
    means = {problem: sum(found) / len(found) for problem, found in answers.items()}
    return Measure(origin, metric, better, means, grader, answers=tuple(map(tuple, answers.values())), **more)


def _per_problem(values: Sequence[tuple[Record, float]]) -> dict[str, list[float]]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for record, value in values:
        grouped[record.problem].append(value)
    return dict(sorted(grouped.items()))
