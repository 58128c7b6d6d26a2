"""Conditions, phase and the other words of a status: a report on what was decided, in Kubernetes' own forms.

A condition's time moves only when its status does, and nothing here depends on the clock otherwise: a status is written
when something has changed and at no other time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gopd_api.reports import Progress
from gopd_api.status import Condition, JobProgress, Phase

ConditionType = Literal[
    "Accepted", "ClusterReady", "Training", "CheckpointAvailable", "EvaluationComplete", "ResumeVerified",
    "TrackingHealthy", "Complete", "Failed",
]  # fmt: skip
ENDED: frozenset[Phase] = frozenset({"Succeeded", "Failed", "Invalid"})
"""Phases that nothing leads out of."""


@dataclass(frozen=True)
class Claim:
    """What a condition should say."""

    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""


def conditions(
    known: Sequence[Condition], claims: Iterable[Claim], now: str, generation: int | None
) -> list[Condition]:
    """The known conditions with the claims in their place, in a stable order; times move with the status alone."""
    found = {one.type: one for one in known}
    for claim in claims:
        before = found.get(claim.type)
        since = before.last_transition_time if before is not None and before.status == claim.status else now
        found[claim.type] = Condition(
            type=claim.type,
            status=claim.status,
            reason=claim.reason or "Unknown",
            message=claim.message[:1024],
            last_transition_time=since,
            observed_generation=generation,
        )
    return list(found.values())


def shown_progress(progress: Progress | None, known: JobProgress | None, total: int | None) -> JobProgress | None:
    """How far the newest attempt is: below what was reached before, where it went on from a checkpoint below that.

    Until it says where it starts, what was known stays.
    """
    if progress is None:
        return known
    if progress.resumed_from is None and known is not None:
        return known.model_copy(update={"eta_seconds": None})
    step = progress.step
    whole = progress.total_steps or total or (known.total_steps if known else 0)
    eta = None
    if progress.seconds_per_step is not None and progress.phase == "training":
        eta = round(max(0, whole - step) * progress.seconds_per_step)
    return JobProgress(step=step, total_steps=whole, eta_seconds=eta, display=f"{step}/{whole}" if whole else None)
