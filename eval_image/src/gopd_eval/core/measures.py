"""From grades and divergences to measures, one value a problem, and from measures to scores with intervals.

It decides which metrics a task has, which way each is better, and what a problem's value is. What could
not be graded counts as not correct: it is in the counts, and a score never leaves a sample out.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gopd_api.reports import Counts, Score
from gopd_eval.core.grading import GRADER_VERSION, Preset, count
from gopd_eval.core.samples import Divergence, Grade, Record, Sample
from gopd_eval.core.statistics import mean_estimate, pass_at_k

Better = Literal["higher", "lower", "neither"]
SHARE = (0.0, 1.0)
DIVERGENCE_VERSION = "1"


@dataclass(frozen=True)
class Origin:
    """What a measure was taken of, carried into every score."""

    subject: str
    task: str
    data_digest: str
    generations_digest: str


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

    def score(self) -> Score:
        """Mean over problems with its problem-clustered error and 95 % interval."""
        estimate = mean_estimate(list(self.values.values()), self.bounds)
        return Score(
            subject=self.origin.subject,
            task=self.origin.task,
            metric=self.metric,
            better=self.better,
            value=estimate.value,
            standard_error=estimate.standard_error,
            ci_low=estimate.ci_low,
            ci_high=estimate.ci_high,
            problems=len(self.values),
            counts=self.counts,
            data_digest=self.origin.data_digest,
            generations_digest=self.origin.generations_digest,
            grader=self.grader,
        )


def math_measures(origin: Origin, grades: Sequence[Grade], samples: int, preset: Preset, library: str) -> list[Measure]:
    """`avg@k` and unbiased `pass@j` (j = 2, 4, 8, ... and k), with `response_tokens` and `truncated`.

    `samples` is k, the answers to each problem; `library` names the comparing library and its version.
    """
    grader = f"math/{preset} {GRADER_VERSION} ({library})"
    right = _per_problem([(grade, float(grade.verdict == "correct")) for grade in grades])
    mean_right = {problem: sum(values) / len(values) for problem, values in right.items()}
    measures = [Measure(origin, f"avg@{samples}", "higher", mean_right, grader, SHARE, count(grades))]
    for k in pass_sizes(samples):
        chance = {problem: pass_at_k(len(values), round(sum(values)), k) for problem, values in right.items()}
        measures.append(Measure(origin, f"pass@{k}", "higher", chance, grader, SHARE))
    lengths = [(grade, float(grade.response_tokens)) for grade in grades]
    return measures + _length_measures(origin, lengths, [(g, float(g.finish == "length")) for g in grades], grader)


def divergence_measures(
    origin: Origin, divergences: Sequence[Divergence], samples: Sequence[Sample], teacher_digest: str
) -> list[Measure]:
    """`kl` (mean nats a token of each answer, then over a problem's answers), `response_tokens` and `truncated`."""
    grader = f"kl-to-teacher {DIVERGENCE_VERSION} (teacher {teacher_digest[:80]})"
    measures = [Measure(origin, "kl", "lower", _means([(d, d.per_token) for d in divergences]), grader)]
    lengths = [(sample, float(len(sample.tokens))) for sample in samples]
    return measures + _length_measures(origin, lengths, [(s, float(s.finish == "length")) for s in samples], grader)


def pass_sizes(samples: int) -> list[int]:
    """The k of `pass@k`: powers of two from 2 up to the samples, and the samples themselves (pass@1 is avg@k)."""
    powers = [2**power for power in range(1, samples.bit_length()) if 2**power <= samples]
    return sorted({*powers, samples} - {1})


def _length_measures(
    origin: Origin, lengths: Sequence[tuple[Record, float]], cut: Sequence[tuple[Record, float]], grader: str
) -> list[Measure]:
    return [
        Measure(origin, "response_tokens", "neither", _means(lengths), grader),
        Measure(origin, "truncated", "neither", _means(cut), grader, SHARE),
    ]


def _per_problem(values: Sequence[tuple[Record, float]]) -> dict[str, list[float]]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for record, value in values:
        grouped[record.problem].append(value)
    return dict(sorted(grouped.items()))


def _means(values: Sequence[tuple[Record, float]]) -> dict[str, float]:
    return {problem: sum(found) / len(found) for problem, found in _per_problem(values).items()}
