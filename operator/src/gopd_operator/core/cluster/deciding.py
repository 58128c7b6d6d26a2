"""One look at one job: from its spec, its status and what was seen of its objects to what is to be done.

The only way in. `accepting`, `training`, `measuring` and `sweeping` decide their parts; this module puts them together.
Pure: the same arguments give the same decision, and a decision that was carried out gives, looked at again, nothing to
do.
"""

from dataclasses import replace

from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.requests import TrainRequest
from gopd_api.status import DistillationJobStatus, Phase
from gopd_operator.core.cluster.accepting import Acceptance, acceptance
from gopd_operator.core.cluster.conditions import ENDED, Claim
from gopd_operator.core.cluster.decision import Decision, Look
from gopd_operator.core.cluster.measuring import Measured, Ready, measuring
from gopd_operator.core.cluster.names import SWEEP
from gopd_operator.core.cluster.reporting import (
    TRAINING_PHASE,
    accepted_status,
    claimed,
    ended,
    measured_status,
    trained_status,
)
from gopd_operator.core.cluster.seen import seconds
from gopd_operator.core.cluster.sweeping import sweeping
from gopd_operator.core.cluster.training import Moment, Target, Trained, training
from gopd_operator.core.comparing import SubjectFault
from gopd_operator.core.plan import Plan
from gopd_operator.core.workflow import Observed, Surroundings, plan

LOOK_AGAIN_SECONDS = 30.0
MEASURE_ANEW = "delete this EvalJob and apply it again once they are there"


def decide(look: Look) -> Decision:
    """What is to be done about the job."""
    if look.context.job.metadata.deletion_timestamp:
        return Decision(look.status)  # what it owns goes with it
    if look.status.phase in ENDED:
        return _settled(look)
    accepted = acceptance(look)
    if accepted.state != "accepted":
        return _not_started(look, accepted)
    job = look.context.job
    if isinstance(job, EvalJob):
        return _compared(look, accepted)
    if job.spec.sweep is not None:
        return sweeping(look, accepted)
    return _distilled(look, accepted)


def _settled(look: Look) -> Decision:
    """A job that is over: nothing may be left that holds machines, and its time to live runs out."""
    job = look.context.job
    status = look.status.model_copy(update={"observed_generation": job.metadata.generation})
    left = (
        *(Target("RayJob", one.name, one.uid) for one in look.seen.rayjobs if not one.terminal and not one.deleting),
        *(Target("Job", one.name, one.uid) for one in look.seen.jobs if one.state == "active" and not one.deleting),
    )
    ttl, finished = job.spec.lifecycle.ttl_seconds_after_finished, seconds(status.finished)
    if ttl is None or finished is None:
        return Decision(status, deletes=left)
    over = look.now >= finished + ttl
    return Decision(status, deletes=left, delete_job=over, again_at=None if over else finished + ttl)


def _not_started(look: Look, accepted: Acceptance) -> Decision:
    """The inputs are being looked at, or were refused."""
    status = accepted_status(look, accepted)
    if accepted.state == "refused":
        return Decision(ended(look, status, "Invalid", accepted.reason, accepted.message))
    if accepted.state == "failed":
        return Decision(ended(look, status, "Failed", accepted.reason, accepted.message))
    if look.context.job.spec.lifecycle.suspend:
        return Decision(status.model_copy(update={"phase": "Suspended"}))
    pending = status.model_copy(update={"phase": "Pending"})
    again = look.now + LOOK_AGAIN_SECONDS
    return Decision(pending, deletes=accepted.deletes, creates=accepted.creates, again_at=again)


def _surroundings(look: Look) -> Surroundings:
    return Surroundings(look.context.root, look.context.tracking_uri)


def _distilled(look: Look, accepted: Acceptance) -> Decision:
    """A DistillationJob of its own: train, measure what is there, compare."""
    job = look.context.job
    status = accepted_status(look, accepted)
    assert isinstance(job, DistillationJob)
    assert isinstance(status, DistillationJobStatus)
    made = plan(job, _surroundings(look), _observed(look, status), parent=job.metadata.labels.get(SWEEP))
    request = made.step("train").request
    assert isinstance(request, TrainRequest)
    trained = training(Moment(look.context, status, look.seen, request, look.now))
    status = trained_status(look, status, trained)
    saved = frozenset(one.step for one in trained.checkpoints)
    stopped = job.spec.lifecycle.suspend or trained.state == "failed"
    ready = Ready(trained.state == "succeeded", saved, stopped, look.now)
    measured = _measure(look, made, ready)
    found = measured_status(look, status, measured)
    decision = Decision(
        found,
        before=trained.before,
        deletes=(*trained.deletes, *measured.deletes),
        creates=trained.creates or measured.creates,
        later=measured.creates if trained.creates else (),
        again_at=min((at for at in (trained.again_at, measured.again_at) if at is not None), default=None),
    )
    return _phased(look, decision, trained, measured)


def _observed(look: Look, status: DistillationJobStatus) -> Observed:
    """What the plan needs to know: prompts from the inspection, or the steps that the training itself counted."""
    prompts = status.inspected.prompts if status.inspected else None
    progress = look.seen.progress.progress
    total = progress.total_steps if progress is not None and progress.total_steps else None
    known = status.progress.total_steps if status.progress and status.progress.total_steps else None
    return Observed(prompts=prompts, total_steps=total or known)


def _measure(look: Look, made: Plan, ready: Ready) -> Measured:
    return measuring(look.context, made, (look.status.children, look.status.evaluations), look.seen, ready)


def _phased(look: Look, decision: Decision, trained: Trained, measured: Measured) -> Decision:
    """The phase, and the end of the job where it has come to one."""
    if trained.state == "failed":
        return replace(decision, status=ended(look, decision.status, "Failed", trained.reason, trained.message))
    phase: Phase = TRAINING_PHASE.get(trained.state, "Evaluating")
    if trained.state == "succeeded":
        if measured.failed and not measured.running:
            reason, words = _failure(look, measured)
            return replace(decision, status=ended(look, decision.status, "Failed", reason, words))
        if measured.done:
            return replace(decision, status=ended(look, decision.status, "Succeeded", "Completed", _end_words(trained)))
        phase = "Suspended" if look.context.job.spec.lifecycle.suspend and not measured.running else "Evaluating"
    elif trained.state == "waiting" and measured.running:
        phase = "Evaluating"
    return replace(decision, status=decision.status.model_copy(update={"phase": phase}))


def _failure(look: Look, measured: Measured) -> tuple[str, str]:
    """Reason and message of a measurement that failed: from now, or as they were written down."""
    if measured.reason:
        return f"Evaluation{measured.reason}", measured.message
    known = next((one for one in look.status.conditions if one.type == "EvaluationComplete"), None)
    return (f"Evaluation{known.reason}", known.message) if known else ("EvaluationFailed", "a measurement failed")


def _end_words(trained: Trained) -> str:
    newest = trained.newest
    steps = f"trained to step {newest.to_step}" if newest and newest.to_step is not None else "trained"
    tries = f" in {newest.number} attempts" if newest and newest.number > 1 else ""
    return f"{steps}{tries}"


def _compared(look: Look, accepted: Acceptance) -> Decision:
    """An EvalJob: wait for the students that it names, measure, compare."""
    job = look.context.job
    assert isinstance(job, EvalJob)
    status = accepted_status(look, accepted)
    if look.unfinished:
        names = ", ".join(f"{name} ({phase})" for name, phase in sorted(look.unfinished.items()))
        if look.status.started:  # they had all ended then, and a job that has ended does not go on
            words = f"subjects: DistillationJob {names} was deleted while its students were measured; {MEASURE_ANEW}"
            return Decision(ended(look, status, "Failed", "NoCheckpoint", words))
        claim = Claim("EvaluationComplete", "False", "WaitingForStudents", f"waits for DistillationJob {names}")
        phase: Phase = "Suspended" if job.spec.lifecycle.suspend else "Pending"
        update = {"phase": phase, "conditions": claimed(look, status.conditions, [claim])}
        return Decision(status.model_copy(update=update))
    try:
        made = plan(job, _surroundings(look), Observed(checkpoints=look.found))
    except SubjectFault as fault:
        return Decision(ended(look, status, "Failed", "NoCheckpoint", f"subjects: {fault}"))
    measured = _measure(look, made, Ready(True, frozenset(), job.spec.lifecycle.suspend, look.now))
    found = measured_status(look, status, measured)
    decision = Decision(found, deletes=measured.deletes, creates=measured.creates, again_at=measured.again_at)
    if measured.failed and not measured.running:
        reason, words = _failure(look, measured)
        return replace(decision, status=ended(look, found, "Failed", reason, words))
    if measured.done:
        return replace(decision, status=ended(look, found, "Succeeded", "Completed", "measured and compared"))
    phase = "Suspended" if job.spec.lifecycle.suspend and not measured.running else "Evaluating"
    return replace(decision, status=found.model_copy(update={"phase": phase}))
