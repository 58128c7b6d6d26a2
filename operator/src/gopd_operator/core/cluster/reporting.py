"""Puts a status together from what the parts of a decision found: phase, conditions, sums. It decides nothing else.

Values that only the clock would change are left as they were, so that a job at rest is never written to.
"""

from collections.abc import Sequence

from gopd_api.objects import DistillationJob
from gopd_api.status import (
    Best,
    Condition,
    DistillationJobStatus,
    EvaluationStatus,
    MlflowStatus,
    Phase,
)
from gopd_operator.core.cluster.accepting import Acceptance
from gopd_operator.core.cluster.conditions import Claim, conditions, shown_progress
from gopd_operator.core.cluster.decision import Look, Status
from gopd_operator.core.cluster.measuring import Measured, best_of
from gopd_operator.core.cluster.seen import as_time
from gopd_operator.core.cluster.spending import spent
from gopd_operator.core.cluster.training import Trained
from gopd_operator.core.measuring import STUDENT_SUBJECT

TRAINING_PHASE: dict[str, Phase] = {
    "waiting": "Pending",
    "queued": "Queued",
    "provisioning": "Provisioning",
    "running": "Training",
    "ending": "Pending",
    "suspended": "Suspended",
}


def ended(look: Look, status: Status, phase: Phase, reason: str, message: str) -> Status:
    """The status of a job that is over."""
    now = as_time(look.now)
    good = phase == "Succeeded"
    claims = [
        Claim("Complete", "True" if good else "False", reason, message if good else ""),
        Claim("Failed", "False" if good else "True", reason, "" if good else message),
    ]
    if phase == "Invalid":
        claims.append(Claim("Accepted", "False", reason, message))
    return status.model_copy(
        update={"phase": phase, "finished": now, "conditions": claimed(look, status.conditions, claims)}
    )


def claimed(look: Look, known: Sequence[Condition], claims: Sequence[Claim]) -> list[Condition]:
    """The conditions with the claims, as of now."""
    return conditions(known, claims, as_time(look.now), look.context.job.metadata.generation)


def accepted_status(look: Look, accepted: Acceptance) -> Status:
    """The status after the look at the inputs: accepted, or not yet."""
    good = accepted.state == "accepted"
    reason = "Accepted" if good else accepted.reason or "Inspecting"
    claim = Claim("Accepted", "True" if good else "Unknown", reason, accepted.message)
    update: dict[str, object] = {
        "observed_generation": look.context.job.metadata.generation,
        "conditions": claimed(look, look.status.conditions, [claim]),
        "inspected": accepted.inspected or look.status.inspected,
        "children": look.status.children if accepted.children is None else list(accepted.children),
    }
    if isinstance(look.status, DistillationJobStatus):
        update["plan"] = accepted.plan or look.status.plan
    return look.status.model_copy(update=update)


def trained_status(look: Look, status: DistillationJobStatus, trained: Trained) -> DistillationJobStatus:
    """The status with what the training has come to."""
    claims = [*_training_claims(look, trained), *_tracking_claims(look, trained)]
    run = trained.progress.mlflow_run_id if trained.progress else None
    mlflow, planned = status.mlflow, status.plan.total_steps if status.plan else None
    if run:
        uri = look.context.job.spec.tracking.uri or look.context.tracking_uri
        mlflow = MlflowStatus(run_id=run, url=f"{uri}/#/runs/{run}" if uri and uri.startswith("http") else None)
    return status.model_copy(
        update={
            "attempts": list(trained.attempts),
            "failures": trained.failures if trained.failures.counted or trained.failures.uncounted else status.failures,
            "checkpoints": list(trained.checkpoints),
            "progress": shown_progress(trained.progress, status.progress, planned),
            "resources": spent(status, trained.attempts),
            "mlflow": mlflow,
            "started": status.started or (trained.attempts[0].started if trained.attempts else None),
            "conditions": claimed(look, status.conditions, claims),
        }
    )


def _training_claims(look: Look, trained: Trained) -> list[Claim]:
    state, done = trained.state, trained.state == "succeeded"
    ready = state == "running" or done
    why = trained.reason if state == "provisioning" and trained.reason else state.capitalize()
    claims = [
        Claim("ClusterReady", "True" if ready else "False", why, "" if ready else trained.message),
        Claim("Training", "True" if state == "running" else "False", "Completed" if done else state.capitalize(), ""),
    ]
    if trained.checkpoints:
        newest = trained.checkpoints[-1]
        claims.append(Claim("CheckpointAvailable", "True", "Saved", f"step {newest.step}: {newest.path}"))
    attempt, progress = trained.newest, trained.progress
    if attempt and attempt.expects and progress is not None and progress.resumed_from is not None:
        good = progress.resumed_from >= attempt.expects
        claims.append(
            Claim(
                "ResumeVerified",
                "True" if good else "False",
                "Resumed" if good else "StartedBelowCheckpoint",
                f"attempt {attempt.number} started from step {progress.resumed_from}, "
                f"the newest checkpoint was of step {attempt.expects}",
            )
        )
    return claims


def _tracking_claims(look: Look, trained: Trained) -> list[Claim]:
    uri = look.context.job.spec.tracking.uri or look.context.tracking_uri
    progress = trained.progress
    if uri is None or progress is None or progress.step == 0:
        return []
    if progress.mlflow_run_id and progress.tracking_healthy is None:
        return [Claim("TrackingHealthy", "True", "Recorded", f"run {progress.mlflow_run_id}")]
    since = "is not reached any more" if progress.mlflow_run_id else "has not been reached yet"
    message = f"{uri} {since}; training goes on and its metrics wait in the job's scratch folder"
    return [Claim("TrackingHealthy", "False", "TrackerUnreachable", message)]


def measured_status(look: Look, status: Status, measured: Measured) -> Status:
    """The status with what was measured."""
    claims = []
    # A failure is told once, when it is seen; afterwards its words stay as they were written.
    if measured.states and (measured.reason or not measured.failed):
        done = measured.done
        reason, words = measured.waits or ("Measuring" if measured.running else "Waiting", "")
        reason = "Measured" if done else measured.reason or reason
        claims.append(Claim("EvaluationComplete", "True" if done else "False", reason, measured.message or words))
    best = best_of(measured.evaluations, _candidates(look, measured.evaluations))
    update = {
        "children": list(measured.children),
        "evaluations": list(measured.evaluations),
        "conditions": claimed(look, status.conditions, claims),
        "best": status.best if best is None else _best(best),
        "started": status.started or (as_time(look.now) if measured.creates else None),
    }
    return status.model_copy(update=update)


def _candidates(look: Look, evaluations: Sequence[EvaluationStatus]) -> frozenset[str]:
    """Subjects that can be the best: a DistillationJob's students, all subjects of an EvalJob."""
    names = {one.subject for one in evaluations}
    if isinstance(look.context.job, DistillationJob):
        return frozenset(name for name in names if STUDENT_SUBJECT.fullmatch(name))
    return frozenset(names)


def _best(one: EvaluationStatus) -> Best:
    where = one.subject if one.step is None else f"step {one.step}"
    return Best(
        subject=one.subject,
        task=one.task,
        metric=one.metric,
        step=one.step,
        value=one.value,
        display=f"{one.task} {one.value:.4g} ({where})"[:256],
    )
