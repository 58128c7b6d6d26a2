"""Events: one for each transition that a person should know of, worked out from the status before and after.

An event is never an input. A lost one costs a line in `kubectl describe`, nothing else.
"""

from collections.abc import Iterator

from gopd_api.status import Attempt, DistillationJobStatus, EvalJobStatus
from gopd_operator.core.cluster.decision import Event

Status = EvalJobStatus | DistillationJobStatus
WARNINGS = frozenset({"Failed", "Invalid"})
NOTES = frozenset({"Succeeded", "Suspended", "Training", "Evaluating", "Queued"})


def events(before: Status, now: Status) -> list[Event]:
    """What has become of the job between two statuses."""
    found: list[Event] = []
    if isinstance(before, DistillationJobStatus) and isinstance(now, DistillationJobStatus):
        found += _attempts(before, now)
        found += _checkpoints(before, now)
        found += _resumed(before, now)
    if now.phase != before.phase and now.phase in WARNINGS | NOTES:
        message = _reason(now, now.phase)
        found.append(Event("Warning" if now.phase in WARNINGS else "Normal", now.phase, message))
    return found


def refusal(message: str) -> Event:
    """The API server refuses what the job needs: a quota, a policy, or an object that it finds wrong."""
    words = f"the API server refuses what the job needs, and is asked again: {message}"
    return Event("Warning", "RequestRefused", words)


def _attempts(before: DistillationJobStatus, now: DistillationJobStatus) -> Iterator[Event]:
    known = {one.number: one for one in before.attempts}
    for attempt in now.attempts:
        earlier = known.get(attempt.number)
        if earlier is None:
            since = f", from the checkpoint of step {attempt.expects}" if attempt.expects else ""
            yield Event("Normal", "AttemptStarted", f"attempt {attempt.number}: RayJob {attempt.name}{since}")
        if attempt.ended and (earlier is None or not earlier.ended):
            yield _end(attempt)


def _end(attempt: Attempt) -> Event:
    if attempt.failure is None:
        return Event("Normal", "AttemptSucceeded", f"attempt {attempt.number} trained to step {attempt.to_step}")
    words = f"attempt {attempt.number} ended ({attempt.failure}): {attempt.message or attempt.reason}"
    if attempt.failure == "suspension":
        return Event("Normal", "Suspended", words)
    return Event("Warning", attempt.reason or "AttemptEnded", words)


def _checkpoints(before: DistillationJobStatus, now: DistillationJobStatus) -> Iterator[Event]:
    known = {one.step for one in before.checkpoints}
    for checkpoint in now.checkpoints:
        if checkpoint.step not in known:
            yield Event("Normal", "CheckpointSaved", f"step {checkpoint.step}: {checkpoint.path}")


def _resumed(before: DistillationJobStatus, now: DistillationJobStatus) -> Iterator[Event]:
    was = next((one.status for one in before.conditions if one.type == "ResumeVerified"), None)
    claim = next((one for one in now.conditions if one.type == "ResumeVerified"), None)
    if claim is not None and claim.status != was:
        yield Event("Normal" if claim.status == "True" else "Warning", claim.reason, claim.message)


def _reason(status: Status, phase: str) -> str:
    wanted = {"Succeeded": "Complete", "Failed": "Failed", "Invalid": "Accepted"}.get(phase)
    said = next((one.message for one in status.conditions if one.type == wanted), "")
    return said or f"phase {phase}"
