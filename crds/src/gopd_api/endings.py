"""Short forms of reports that travel through the cluster: a pod's last words, and what a training publishes.

A termination message holds 4096 bytes and a ConfigMap a mebibyte, so what is long is cut, and what was left out is
counted. The whole reports stay on the storage.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field

from gopd_api.base import Digest, Model, Text
from gopd_api.reports import Progress, Score, TrainReport

TERMINATION_BYTES: Final = 4096
PUBLISHED_BYTES: Final = 60_000


class ShortScore(Model):
    """A score without its digests and counts."""

    subject: Text
    task: Text
    metric: Text
    better: Literal["higher", "lower", "neither"]
    step: int | None = None
    value: float
    ci_low: float | None = None
    ci_high: float | None = None

    @classmethod
    def of(cls, score: Score, step: int | None) -> Self:
        """The short form of `score`; `step` is the training step of its subject, where it is a student's checkpoint."""
        return cls(
            subject=score.subject,
            task=score.task,
            metric=score.metric,
            better=score.better,
            step=step,
            value=score.value,
            ci_low=finite(score.ci_low),
            ci_high=finite(score.ci_high),
        )


class Ending(Model):
    """How a pod of an evaluation ended: at most 4096 bytes as compact JSON."""

    version: Literal["gopd.io/ending/v1"] = "gopd.io/ending/v1"
    request_digest: Digest
    outcome: Literal["succeeded", "failed", "stopped"]
    reason: Text
    message: Annotated[str, Field(max_length=1024)] = ""
    scores: list[ShortScore] = []
    left_out: int = 0
    """Scores that did not fit."""

    @staticmethod
    def fitting(
        request_digest: str,
        outcome: Literal["succeeded", "failed", "stopped"],
        reason: str,
        message: str = "",
        scores: Sequence[ShortScore] = (),
    ) -> "Ending":
        """The ending with as much of the message, and then as many of the first scores, as 4096 bytes hold."""
        short, told = cut(message), [score for score in scores if math.isfinite(score.value)]

        def ending(kept: int) -> Ending:
            return Ending(
                request_digest=request_digest,
                outcome=outcome,
                reason=cut(reason)[:256] or "Unknown",
                message=short,
                scores=told[:kept],
                left_out=len(scores) - kept,
            )

        return ending(most(len(told), lambda kept: len(compact(ending(kept)).encode()) <= TERMINATION_BYTES))


def compact(value: BaseModel) -> str:
    """The value as JSON on one line, camelCase, without what is not set."""
    return value.model_dump_json(by_alias=True, exclude_none=True)


def published_progress(progress: Progress) -> str:
    """The progress as it is published: with as many of the newest checkpoints as 60,000 bytes hold."""

    def text(kept: int) -> str:
        newest = progress.checkpoints[len(progress.checkpoints) - kept :]
        return compact(progress.model_copy(update={"checkpoints": newest, "metrics": finite_only(progress.metrics)}))

    return text(most(len(progress.checkpoints), lambda kept: len(text(kept).encode()) <= PUBLISHED_BYTES))


def published_report(report: TrainReport) -> str:
    """The report as it is published: with as many of the newest checkpoints as 60,000 bytes hold."""

    def text(kept: int) -> str:
        newest = report.checkpoints[len(report.checkpoints) - kept :]
        return compact(report.model_copy(update={"checkpoints": newest, "metrics": finite_only(report.metrics)}))

    return text(most(len(report.checkpoints), lambda kept: len(text(kept).encode()) <= PUBLISHED_BYTES))


def finite(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None


def finite_only(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that JSON can hold: one that is not a number would make the whole text unreadable."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def most(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `highest` that fits, where everything below one that fits does; 0 when none does."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def cut(text: str) -> str:
    """The longest beginning of `text` that takes at most 1024 bytes as JSON, which escapes some characters."""
    # Half a surrogate pair, as names of files may have them, is no Unicode text.
    whole = text[:1024].encode(errors="replace").decode()
    return whole[: most(len(whole), lambda kept: len(json.dumps(whole[:kept], ensure_ascii=False).encode()) <= 1024)]
