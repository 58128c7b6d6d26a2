"""What a job's run in MLflow should be told that its training cannot tell: it failed, was deleted or suspended.

Decided from the job's body alone. That a job succeeded is told, too: the training says it itself, but not to a server
that was away just then. Only the installation's MLflow is written to: the operator's credentials are not for an address
that a job names. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gopd_api.run_tags import DELETED, PHASE_TAG
from gopd_operator.core.cluster.conditions import ENDED
from gopd_operator.core.cluster.seen import seconds

Body = Mapping[str, Any]
Status = Literal["FINISHED", "FAILED", "KILLED"]
_OF_PHASES: Mapping[str, Status] = {"Succeeded": "FINISHED", "Failed": "FAILED", "Suspended": "KILLED"}
RECENT_SECONDS = 3600.0
"""An operator that starts tells again what has become of a job so lately, in case the one before it did not."""


@dataclass(frozen=True)
class RunEnd:
    """What the run of one job should say."""

    uid: str
    """Of the job: the run's own tag must name it."""
    job: str
    """Namespace and name, for people."""
    run_id: str
    status: Status
    tags: tuple[tuple[str, str], ...]

    def stands(self, status: str) -> bool:
        """Whether a run of this status need not be told: it says so, or a better end that its training wrote is kept.

        FAILED is kept where the job was only suspended: the training of a deleted one fails because its machines go.
        """
        kept = ("FINISHED",) if (PHASE_TAG, DELETED) in self.tags else ("FINISHED", "FAILED")
        return status == self.status or (self.status == "KILLED" and status in kept)


def run_end(body: Body, installed: str | None, now: float, *, deleted: bool = False) -> RunEnd | None:
    """What the run of a DistillationJob should say; None when nothing is to be said."""
    status, meta = body.get("status") or {}, body["metadata"]
    run = (status.get("mlflow") or {}).get("runId")
    named = ((body.get("spec") or {}).get("tracking") or {}).get("uri")
    if not run or installed is None or (named is not None and named != installed):
        return None
    ending = _status(status, now, deleted=deleted)
    if ending is None:
        return None
    attempts = status.get("attempts") or []
    spent = (status.get("resources") or {}).get("gpuSeconds") or 0
    tags = (
        ("gopd.attempts", str(attempts[-1]["number"] if attempts else 0)),
        ("gopd.gpuSeconds", f"{spent:g}"),
        (PHASE_TAG, DELETED if deleted else status["phase"]),
    )
    return RunEnd(meta["uid"], f"{meta['namespace']}/{meta['name']}", run, ending, tags)


def _status(status: Mapping[str, Any], now: float, *, deleted: bool) -> Status | None:
    phase = status.get("phase") or "Pending"
    if deleted:
        return None if phase in ENDED else "KILLED"
    if phase not in _OF_PHASES:
        return None
    moved = [seconds(one.get("lastTransitionTime")) or 0.0 for one in status.get("conditions") or []]
    since = seconds(status.get("finished")) or max(moved, default=now)
    if now - since > RECENT_SECONDS:
        return None
    return _OF_PHASES[phase]
