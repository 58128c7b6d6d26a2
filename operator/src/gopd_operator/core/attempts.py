"""What the end of a process means, and whether it is tried again.

The report is believed before the exit code: a trainer that reported success and was killed while it closed has
succeeded. Failures that another try cannot mend (wrong input, an unreadable request) are final. It does not start
anything.
"""

from dataclasses import dataclass
from typing import Literal

from gopd_api.running import Backoff, Lifecycle

FAILED, UNREADABLE, STOPPED = 1, 2, 3
FINAL_REASONS = frozenset({"InvalidInput"})


@dataclass(frozen=True)
class Ended:
    """How a process ended, as it was seen from outside."""

    exit_code: int
    """Negative: the signal that ended it."""
    outcome: Literal["succeeded", "failed", "stopped"] | None
    """What the report of this attempt says; None without a report that answers the request."""
    reason: str = ""
    message: str = ""
    stalled: bool = False
    asked_to_stop: bool = False


@dataclass(frozen=True)
class Verdict:
    """What follows from the end of a process."""

    next: Literal["done", "stopped", "retry", "failed"]
    reason: str
    message: str = ""


def judge(ended: Ended, failures: int, most_attempts: int, retry_reported: bool) -> Verdict:
    """The verdict on an attempt, with `failures` failed attempts before it.

    `retry_reported` says whether a failure that the process itself reported may be tried again: a training may, an
    evaluation would only fail again.
    """
    if ended.outcome == "succeeded":
        return Verdict("done", ended.reason or "Completed", ended.message)
    if ended.outcome == "stopped" or ended.exit_code == STOPPED or (ended.asked_to_stop and ended.outcome is None):
        return Verdict("stopped", "Stopped", ended.message)
    verdict = _failure(ended)
    final = ended.exit_code == UNREADABLE or ended.reason in FINAL_REASONS
    reported = ended.outcome == "failed" or ended.exit_code == FAILED
    hopeless = final or (reported and not ended.stalled and not retry_reported)
    if hopeless or ended.asked_to_stop or failures + 1 >= most_attempts:
        return verdict
    return Verdict("retry", verdict.reason, verdict.message)


def _failure(ended: Ended) -> Verdict:
    if ended.outcome == "failed" and not ended.stalled:
        return Verdict("failed", ended.reason, ended.message)
    if ended.stalled:
        return Verdict("failed", "Stalled", ended.message or "no sign of life within lifecycle.stallAfterSeconds")
    if ended.exit_code < 0:
        return Verdict("failed", "Killed", f"ended by signal {-ended.exit_code} before it wrote a report")
    last_words = f": {ended.message}" if ended.message else ""
    return Verdict("failed", "Error", f"ended with exit code {ended.exit_code} without a report{last_words}")


def wait_seconds(backoff: Backoff, failures: int) -> int:
    """Seconds to wait after so many failed attempts (1 or more): doubles from the first wait up to the longest."""
    return min(backoff.max_seconds, backoff.initial_seconds * 2 ** (failures - 1))


@dataclass(frozen=True)
class Policy:
    """The part of a lifecycle that a local run keeps to."""

    most_attempts: int
    backoff: Backoff
    stall_after_seconds: float
    deadline_seconds: float | None = None

    @classmethod
    def of(cls, lifecycle: Lifecycle) -> "Policy":
        """The policy that a spec's `lifecycle` asks for."""
        return cls(
            most_attempts=lifecycle.max_attempts,
            backoff=lifecycle.backoff,
            stall_after_seconds=lifecycle.stall_after_seconds,
            deadline_seconds=lifecycle.active_deadline_seconds,
        )
