"""The training of one DistillationJob: which attempt there should be, and how it stands.

Never two live attempts: a new one is decided on only when no RayJob of an earlier one is left. An attempt is written
into status before its objects are created, and its end before its RayJob is deleted, so that an operator that dies in
between, or a second one, does the same again and nothing else. Pure: time is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gopd_api.objects import DistillationJob
from gopd_api.reports import Progress
from gopd_api.requests import TrainRequest
from gopd_api.status import Attempt, CheckpointStatus, DistillationJobStatus, Failures
from gopd_operator.core.cluster.failures import (
    UNPREPARED_SECONDS,
    End,
    blocked,
    end_of,
    lost_end,
    no_report,
    not_starting,
)
from gopd_operator.core.cluster.manifests import Context, Manifest
from gopd_operator.core.cluster.names import attempt_name
from gopd_operator.core.cluster.retrying import after, counted
from gopd_operator.core.cluster.seen import RayJobSeen, Seen, as_time, seconds
from gopd_operator.core.cluster.spending import gpu_seconds
from gopd_operator.core.cluster.training_objects import attempt_objects, attempt_request, grants

MOST_ATTEMPTS_LISTED = 32
DEADLINE_MARGIN = 60
"""The trainer saves before the deadline by itself; so long after it the attempt is ended from outside."""
LOOK_AGAIN_SECONDS = 20.0
State = Literal["waiting", "queued", "provisioning", "running", "ending", "suspended", "succeeded", "failed"]


@dataclass(frozen=True)
class Target:
    """An object to delete: this very one, by its uid, with everything that it owns first."""

    kind: Literal["RayJob", "Job", "DistillationJob", "EvalJob"]
    name: str
    uid: str


@dataclass(frozen=True)
class Trained:
    """How the training stands and what is to be done."""

    state: State
    attempts: tuple[Attempt, ...]
    failures: Failures
    checkpoints: tuple[CheckpointStatus, ...]
    progress: Progress | None = None
    """Of the newest attempt."""
    reason: str = ""
    message: str = ""
    before: tuple[Manifest, ...] = ()
    """What must be there before status says that the attempt has its RayJob."""
    creates: tuple[Manifest, ...] = ()
    deletes: tuple[Target, ...] = ()
    again_at: float | None = None
    """Seconds since 1970 of the next look, when nothing happens before."""

    @property
    def newest(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True)
class Moment:
    """What a decision on the training is made from."""

    context: Context
    status: DistillationJobStatus
    seen: Seen
    request: TrainRequest
    now: float
    failures: Failures = field(default_factory=Failures)

    @property
    def job(self) -> DistillationJob:
        """The job."""
        assert isinstance(self.context.job, DistillationJob)
        return self.context.job

    @property
    def suspend(self) -> bool:
        """Whether nothing should run."""
        return self.job.spec.lifecycle.suspend

    @property
    def deadline(self) -> float | None:
        """Seconds since 1970 by which the job must have ended."""
        limit, start = self.job.spec.lifecycle.active_deadline_seconds, seconds(self.status.started)
        return None if limit is None else (self.now if start is None else start) + limit


def training(moment: Moment) -> Trained:
    """The state of the training and the next thing to do about it."""
    attempts = moment.status.attempts
    checkpoints = merged(moment.status.checkpoints, _progress(moment, attempts[-1]) if attempts else None)
    failures = moment.status.failures or Failures()
    stands = Trained("waiting", tuple(attempts), failures, checkpoints)
    stands = replace(stands, deletes=_strays(moment, stands.newest))
    if stands.newest is None or stands.newest.ended is not None:
        return _between(moment, stands)
    return _live(moment, stands, stands.newest)


def merged(known: Sequence[CheckpointStatus], progress: Progress | None) -> tuple[CheckpointStatus, ...]:
    """The checkpoints known before and those that the progress names, by step; the newest 64."""
    found = {one.step: one for one in known}
    for saved in progress.checkpoints if progress else []:
        if saved.export:
            found[saved.step] = CheckpointStatus(step=saved.step, path=saved.export, digest=saved.digest)
    return tuple(found[step] for step in sorted(found))[-64:]


def _progress(moment: Moment, attempt: Attempt) -> Progress | None:
    """What this very attempt has written."""
    progress = moment.seen.progress.progress
    return progress if progress is not None and progress.attempt == attempt.number else None


def _strays(moment: Moment, newest: Attempt | None) -> tuple[Target, ...]:
    """RayJobs of attempts that are over, or were never decided on, and that still hold machines."""
    live = newest.number if newest is not None and newest.ended is None else None
    return tuple(
        Target("RayJob", one.name, one.uid)
        for one in moment.seen.rayjobs
        if one.attempt != live and not one.terminal and not one.deleting
    )


def _between(moment: Moment, stands: Trained) -> Trained:
    """No attempt is live: the training has succeeded or failed, waits, or has a next attempt."""
    newest = stands.newest
    if newest is not None and newest.failure is None:
        return replace(stands, state="succeeded", progress=_progress(moment, newest))
    at = moment.now
    if newest is not None:
        follows = after(newest, stands.failures, moment.job.spec.lifecycle, newest.final)
        if follows.again_at is None:
            return replace(stands, state="failed", reason=follows.reason, message=follows.message)
        at = follows.again_at
    if moment.suspend:
        return replace(stands, state="suspended")
    if left := list(moment.seen.rayjobs):
        gone = tuple(Target("RayJob", one.name, one.uid) for one in left if not one.deleting)
        return replace(stands, state="ending", deletes=gone, message="the last attempt's machines are being freed")
    if moment.deadline is not None and moment.now > moment.deadline and newest is not None:
        words = "lifecycle.activeDeadlineSeconds has passed"
        return replace(stands, state="failed", reason="DeadlineExceeded", message=words)
    if moment.now < at:
        message = f"attempt {newest.number if newest else 0} ended ({newest.reason if newest else ''}); the next waits"
        return replace(stands, state="waiting", again_at=at, message=message)
    return _begin(moment, stands)


def _begin(moment: Moment, stands: Trained) -> Trained:
    """Decide on the next attempt; its objects are created once that is written down."""
    number = stands.newest.number + 1 if stands.newest else 1
    attempt = Attempt(
        number=number,
        name=attempt_name(moment.context.key.name, number),
        started=as_time(moment.now),
        expects=max((one.step for one in stands.checkpoints), default=0),
    )
    attempts = (*stands.attempts, attempt)[-MOST_ATTEMPTS_LISTED:]
    return replace(stands, state="provisioning", attempts=attempts, creates=_objects(moment, number))


def _objects(moment: Moment, number: int) -> tuple[Manifest, ...]:
    limit, deadline = None, moment.deadline
    if deadline is not None:
        limit = max(1, round(deadline - moment.now) + DEADLINE_MARGIN)
    request = attempt_request(moment.context, moment.request, number, deadline)
    return tuple(attempt_objects(moment.context, request, limit))


def _live(moment: Moment, stands: Trained, attempt: Attempt) -> Trained:
    """An attempt is under way: it is created, it goes on, or it has ended."""
    rayjob, progress = moment.seen.rayjob(attempt.number), _progress(moment, attempt)
    stands = replace(stands, progress=progress)
    if rayjob is None and attempt.uid is None and not moment.suspend:
        return replace(stands, state="provisioning", creates=_objects(moment, attempt.number))
    end = lost_end(attempt.name) if rayjob is None and attempt.uid is not None else None
    before = tuple(grants(moment.context)) if attempt.uid is None else ()
    if rayjob is not None:
        attempt = attempt.model_copy(update={"uid": rayjob.uid})
        end = _end(moment, attempt, rayjob)
    if moment.suspend and (end is None or end.failure is not None):
        end = End("suspension", "Suspended", "lifecycle.suspend is true")
    attempt = _with_progress(attempt, progress, moment.status.checkpoints)
    if end is not None:
        return _ended(moment, stands, attempt, rayjob, end)
    assert rayjob is not None
    attempts = (*stands.attempts[:-1], attempt)
    state, again = _state(moment, rayjob)
    stands = replace(stands, state=state, attempts=attempts, before=before, again_at=again, message=_words(rayjob))
    waits = not_starting(moment.seen.pods.get(rayjob.name, ()), moment.now) if state == "provisioning" else None
    return stands if waits is None else replace(stands, reason=waits[0], message=waits[1])


def _with_progress(attempt: Attempt, progress: Progress | None, known: Sequence[CheckpointStatus]) -> Attempt:
    """The attempt with where it started and how far it is; KubeRay may have started it anew in its place."""
    if progress is None or progress.resumed_from is None:
        return attempt
    update: dict[str, object] = {"from_step": progress.resumed_from, "to_step": progress.step}
    if attempt.to_step is not None and progress.resumed_from != attempt.from_step:
        update["expects"] = max((one.step for one in known), default=0)
    return attempt.model_copy(update=update)


def _end(moment: Moment, attempt: Attempt, rayjob: RayJobSeen) -> End | None:
    """How the attempt has ended, or must be ended; None while it goes on."""
    pods, patience = moment.seen.pods.get(rayjob.name, ()), moment.context.settings.patience
    if rayjob.terminal:
        end = end_of(rayjob, moment.seen.progress.report_of(rayjob), pods)
        late = moment.now - (rayjob.ended or rayjob.created) > patience.report_seconds
        return no_report() if end is None and late else end
    if rayjob.deleting:
        return lost_end(rayjob.name)
    if moment.deadline is not None and moment.now > moment.deadline + DEADLINE_MARGIN:
        return End("deadline", "DeadlineExceeded", "lifecycle.activeDeadlineSeconds has passed", final=True)
    if found := blocked(pods, moment.now):
        pod, end = found
        since = max(rayjob.started or rayjob.created, pod.placed or 0.0)
        if moment.now - since > patience.image_seconds:
            return end
    return _stall(moment, rayjob, _progress(moment, attempt))


def _stall(moment: Moment, rayjob: RayJobSeen, progress: Progress | None) -> End | None:
    """A training that runs and gives no sign of life. Held, provisioning or unknown is not stalled."""
    if rayjob.deployment != "Running" or rayjob.held:
        return None
    running = moment.now - (rayjob.started or rayjob.created)
    silent = running if progress is None else min(running, moment.seen.progress.silent_seconds)
    patience = moment.context.settings.patience
    limit = float(moment.job.spec.lifecycle.stall_after_seconds + patience.stall_seconds)
    if silent >= running or (progress is not None and progress.phase == "starting"):
        # Nothing since this start: images, imports and weights take longer than a step.
        limit = max(limit, float(patience.start_seconds))
    if silent <= limit:
        return None
    remedy = "look at the log in the job's scratch folder, or set a longer lifecycle.stallAfterSeconds"
    return End("stall", "Stalled", f"no sign of life for {silent:.0f} s; {remedy}")


def _ended(moment: Moment, stands: Trained, attempt: Attempt, rayjob: RayJobSeen | None, end: End) -> Trained:
    """Write the end down. Whatever still runs is deleted in the next round, as a stray."""
    progressed = max((one.step for one in stands.checkpoints), default=0) > attempt.expects
    over = attempt.model_copy(
        update={
            "ended": as_time(moment.now),
            "failure": end.failure,
            "final": end.final,
            "reason": end.reason,
            "message": end.message[:1000] or None,
            "gpu_seconds": gpu_seconds(moment.job, attempt, rayjob, moment.now),
        }
    )
    attempts = (*stands.attempts[:-1], over)
    failures = counted(stands.failures, end, progressed)
    state: State = "succeeded" if end.failure is None else "ending"
    return replace(stands, state=state, attempts=attempts, failures=failures, message=end.message)


def _state(moment: Moment, rayjob: RayJobSeen) -> tuple[State, float | None]:
    """State and next look: what can only be told by time or by pods is looked at again by itself."""
    if rayjob.terminal:
        return "running", moment.now + LOOK_AGAIN_SECONDS
    if rayjob.held or rayjob.deployment in ("Suspended", "Suspending"):
        return "queued", _deadline_look(moment)
    if rayjob.deployment == "Running":
        return "running", moment.now + max(LOOK_AGAIN_SECONDS, moment.job.spec.lifecycle.stall_after_seconds / 2)
    waits = blocked(moment.seen.pods.get(rayjob.name, ()), moment.now) is not None
    return "provisioning", moment.now + (LOOK_AGAIN_SECONDS if waits else UNPREPARED_SECONDS)


def _deadline_look(moment: Moment) -> float | None:
    return None if moment.deadline is None else moment.deadline + DEADLINE_MARGIN + 1


def _words(rayjob: RayJobSeen) -> str:
    if rayjob.held:
        return "waits for its queue"
    return "" if rayjob.deployment == "Running" else f"KubeRay: {rayjob.deployment or 'not seen yet'}"
