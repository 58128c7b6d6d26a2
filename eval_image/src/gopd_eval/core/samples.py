"""Records of drawn answers, of divergences and of grades, and which of them are still missing.

It decides what a record holds, which records belong to an evaluation and in which order they are drawn. It does not
decide how they are stored: see `shell.store`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self

from gopd_eval.core.digests import digest

Finish = Literal["stop", "length"]
"""`stop`: the model ended its answer; `length`: the answer was cut."""
Verdict = Literal["correct", "wrong", "no_answer", "truncated", "timeout", "memory", "crash", "refused"]
SampleId = tuple[str, int]
"""Problem id, sample number from 0."""


class Record(Protocol):
    """What every record has: the problem and sample that it belongs to."""

    @property
    def problem(self) -> str: ...

    @property
    def sample(self) -> int: ...


class _Json:
    """Records to and from the objects that are written as JSON lines."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload]  # every subclass is a dataclass

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        return cls(**record)


@dataclass(frozen=True)
class Sample(_Json):
    """One drawn answer."""

    problem: str
    sample: int
    seed: int
    """Seed of this answer's own random stream."""
    prompt_tokens: int
    tokens: list[int]
    """Token ids of the answer, with the token that ended it when `finish` is `stop`."""
    text: str
    finish: Finish


@dataclass(frozen=True)
class Divergence(_Json):
    """KL(subject || teacher) along one answer, in nats, over the full vocabulary at temperature 1."""

    problem: str
    sample: int
    total: float
    """Sum over the answer's tokens."""
    tokens: int

    @property
    def per_token(self) -> float:
        """Nats a token."""
        return self.total / self.tokens


@dataclass(frozen=True)
class Grade(_Json):
    """What became of one answer."""

    problem: str
    sample: int
    verdict: Verdict
    detail: str
    """Why, when it is not a plain comparison: the limit that was met, the test that failed, where the answer stood."""
    answer: str | None
    """The answer as it was taken from the text."""
    response_tokens: int
    finish: Finish
    base: Verdict | None = None
    """EvalPlus: the verdict on the base tests alone; `verdict` is that on base and plus tests."""


@dataclass(frozen=True)
class Votes(_Json):
    """Which answers to one problem mean the same."""

    problem: str
    classes: list[int | None]
    """A class for each sample, in their order; None for one without an answer."""


def wanted_samples(problem_ids: Sequence[str], samples: int) -> list[SampleId]:
    """Every sample of an evaluation in drawing order: problem after problem."""
    return [(problem, sample) for problem in problem_ids for sample in range(samples)]


def missing(wanted: Sequence[SampleId], records: Iterable[Record]) -> list[SampleId]:
    """What is still to be done, in drawing order."""
    have = {(record.problem, record.sample) for record in records}
    return [sample for sample in wanted if sample not in have]


def samples_digest(samples: Sequence[Sample]) -> str:
    """Digest of the answers themselves, whatever order they were drawn in."""
    return digest(sorted([s.problem, s.sample, s.tokens, s.finish] for s in samples))
