"""What follows from the end of an attempt: another one, when, or none. Counts are kept in status, never derived from a
bounded list.

The job's own faults (application, memory, stall, image) are counted against `lifecycle.maxAttempts`. Faults of machines
and preemption are not; only a long row of them without any progress ends a job, so that a broken cluster is not kept
busy for ever.
"""

from dataclasses import dataclass

from gopd_api.running import Lifecycle
from gopd_api.status import Attempt, FailureClass, Failures
from gopd_operator.core.attempts import wait_seconds
from gopd_operator.core.cluster.failures import End
from gopd_operator.core.cluster.seen import seconds

COUNTED: frozenset[FailureClass] = frozenset({"application", "memory", "stall", "image"})
UNCOUNTED: frozenset[FailureClass] = frozenset({"infrastructure", "preemption"})
LONGEST_ROW = 20
"""Uncounted ends in a row, without a new checkpoint in between, that end a job."""


def counted(failures: Failures, end: End, progressed: bool) -> Failures:
    """The counters after an attempt ended so; `progressed`: it saved a checkpoint that was not there before."""
    if end.failure in COUNTED:
        return failures.model_copy(update={"counted": failures.counted + 1})
    if end.failure in UNCOUNTED:
        row = 1 if progressed else failures.in_a_row + 1
        return failures.model_copy(update={"uncounted": failures.uncounted + 1, "in_a_row": row})
    return failures


@dataclass(frozen=True)
class Next:
    """What comes after an attempt that failed."""

    again_at: float | None
    """Seconds since 1970 of the next attempt; None when there is none."""
    reason: str = ""
    message: str = ""


def after(attempt: Attempt, failures: Failures, lifecycle: Lifecycle, final: bool = False) -> Next:
    """What follows the newest attempt, which has ended and has not succeeded."""
    failure, reason = attempt.failure, attempt.reason or "Failed"
    message = attempt.message or ""
    if final or failure in ("validation", "deadline"):
        return Next(None, reason, message)
    ended = seconds(attempt.ended) or 0.0
    if failure == "suspension":
        return Next(ended)
    if failure in UNCOUNTED:
        if failures.in_a_row >= LONGEST_ROW:
            row = f"{failures.in_a_row} attempts in a row ended by faults of machines, the last: {message}"
            return Next(None, "MachinesFail", row)
        return Next(ended + wait_seconds(lifecycle.backoff, max(1, failures.in_a_row)))
    if failures.counted >= lifecycle.max_attempts:
        tried = f" ({failures.counted} attempts failed)" if failures.counted > 1 else ""
        return Next(None, reason, f"{message}{tried}")
    return Next(ended + wait_seconds(lifecycle.backoff, max(1, failures.counted)))
