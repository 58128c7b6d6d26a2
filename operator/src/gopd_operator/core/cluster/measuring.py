"""The evaluations and comparisons of a job: which of their Jobs there should be, and what they said.

A step's parts run one after the other; steps run as soon as what they need is there, a bounded number at a time. What
is over is written into status and never made again, but for a Job that completed and whose pods were gone before what
they said was read: the store has its work, so it is run again, a few times. An evaluation that fails fails its job at
the end, and never stops a training. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gopd_api.endings import Ending
from gopd_api.status import Child, EvaluationStatus
from gopd_operator.core.cluster.failures import UNPREPARED_SECONDS, not_starting
from gopd_operator.core.cluster.manifests import Context, Manifest
from gopd_operator.core.cluster.measuring_objects import TRIES, part_objects
from gopd_operator.core.cluster.names import Part, parts_of, step_part_name
from gopd_operator.core.cluster.seen import JobSeen, PodSeen, Seen
from gopd_operator.core.cluster.training import Target
from gopd_operator.core.plan import Plan, Step

COMPLETE, FAILED, LOST = "Complete", "Failed", "Lost"
UNREAD = "they were gone by then, or their image is of another version"
StepState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class Measured:
    """How the measurements stand and what is to be done."""

    states: Mapping[str, StepState]
    """Of each evaluation and comparison, by the step's name."""
    children: tuple[Child, ...]
    evaluations: tuple[EvaluationStatus, ...]
    reason: str = ""
    message: str = ""
    """Of the first failure."""
    waits: tuple[str, str] | None = None
    """Reason and words on pods that do not start, of the first Job that has such."""
    creates: tuple[Manifest, ...] = ()
    deletes: tuple[Target, ...] = ()
    again_at: float | None = None
    """Seconds since 1970 of the next look, when pods are starting and nothing happens before."""

    @property
    def done(self) -> bool:
        """Everything that was to be measured has been."""
        return all(state == "done" for state in self.states.values())

    @property
    def failed(self) -> bool:
        """Something could not be measured."""
        return "failed" in self.states.values()

    @property
    def running(self) -> bool:
        """Something is being measured."""
        return "running" in self.states.values()


@dataclass(frozen=True)
class Ready:
    """What the measurements may rest on."""

    trained: bool
    checkpoints: frozenset[int]
    """Steps of the exported students."""
    suspend: bool
    now: float

    def allows(self, step: Step, states: Mapping[str, StepState]) -> bool:
        """Whether everything that the step needs is there."""
        for name in step.after:
            if name == "train":
                if not self.trained and (step.checkpoint is None or step.checkpoint not in self.checkpoints):
                    return False
            elif states.get(name) != "done":
                return False
        return step.request is not None


def measuring(
    context: Context,
    plan: Plan,
    known: tuple[Sequence[Child], Sequence[EvaluationStatus]],
    seen: Seen,
    ready: Ready,
) -> Measured:
    """The state of every measurement of the plan. `known`: what status lists of children and evaluations."""
    children, evaluations = known
    stands = Measured({}, tuple(children), tuple(evaluations))
    free = context.settings.evaluations_at_once
    for step in (step for step in plan.steps if step.kind != "train"):
        state: StepState
        stands, state = _step(context, step, stands, seen, ready, free)
        free -= state == "running"
        stands = replace(stands, states={**stands.states, step.name: state})
    return stands


def _step(
    context: Context, step: Step, stands: Measured, seen: Seen, ready: Ready, free: int
) -> tuple[Measured, StepState]:
    for part in parts_of(step.kind):
        name = step_part_name(context.key, step.own_name, part)
        recorded = recorded_phase(stands.children, name)
        job = seen.job(name)
        if recorded is None and job is not None and job.state != "active":
            stands = _record(step, part, job, stands, seen.pods.get(name, ()))
            recorded = recorded_phase(stands.children, name)
            if recorded is None:
                return replace(stands, deletes=(*stands.deletes, *gone(job))), "running"
        if recorded == FAILED:
            return stands, "failed"
        if recorded == COMPLETE:
            continue
        if job is not None:
            if stands.waits is None:
                stands = replace(stands, waits=not_starting(seen.pods.get(name, ()), ready.now))
            if job.starting:
                stands = replace(stands, again_at=ready.now + UNPREPARED_SECONDS)
            return _running(job, stands, ready)
        if ready.suspend or free <= 0 or not ready.allows(step, stands.states):
            return stands, "waiting"
        return replace(stands, creates=(*stands.creates, *part_objects(context, step, part))), "running"
    return stands, "done"


def _running(job: JobSeen, stands: Measured, ready: Ready) -> tuple[Measured, StepState]:
    """A Job under way; when nothing should run it is deleted, and made again later: what it has done is kept."""
    if not ready.suspend:
        return stands, "running"
    return replace(stands, deletes=(*stands.deletes, *gone(job))), "waiting"


def _record(step: Step, part: Part, job: JobSeen, stands: Measured, pods: Sequence[PodSeen]) -> Measured:
    """Write down how a Job ended, and the scores or the reason that its pods left."""
    endings = endings_of(pods, job.digest)
    phase = COMPLETE if job.state == "complete" else FAILED
    if phase == COMPLETE and not endings and part != "generate":
        if (again := made_again(stands.children, job)) is not None:
            return replace(stands, children=again)
        phase = FAILED
    children = (*stands.children, Child(kind="Job", name=job.name, phase=phase))
    if phase == COMPLETE:
        scores = [] if part == "generate" else [score for ending in endings for score in as_statuses(step, ending)]
        return replace(stands, children=children, evaluations=with_scores(stands.evaluations, scores))
    said = next((ending for ending in endings if ending.outcome == "failed"), None)
    reason = said.reason if said else failure_reason(job, pods)
    message = said.message if said else failure_message(job, pods)
    if stands.reason:
        return replace(stands, children=children)
    return replace(stands, children=children, reason=reason, message=f"{step.own_name}, {part}: {message}"[:1000])


def gone(job: JobSeen) -> tuple[Target, ...]:
    """The Job to delete, unless it goes already."""
    return () if job.deleting else (Target("Job", job.name, job.uid),)


def recorded_phase(children: Sequence[Child], name: str) -> str | None:
    """How the Job of a name ended; None for one that has not, or is made again."""
    phases = (one.phase for one in children if (one.kind, one.name) == ("Job", name))
    return next((phase for phase in phases if phase != LOST), None)


def made_again(children: Sequence[Child], job: JobSeen) -> tuple[Child, ...] | None:
    """The children with a Job that completed and said nothing; None when it has been made as often as it may."""
    lost = [one.uid for one in children if (one.kind, one.name, one.phase) == ("Job", job.name, LOST)]
    if job.uid in lost:
        return tuple(children)
    if len(lost) >= TRIES - 1:
        return None
    return (*children, Child(kind="Job", name=job.name, phase=LOST, uid=job.uid))


def endings_of(pods: Sequence[PodSeen], digest: str) -> list[Ending]:
    """The endings among the pods' termination messages that answer the request."""
    found = []
    for pod in pods:
        try:
            ending = Ending.model_validate_json(pod.message)
        except ValueError:  # a log's last lines, or nothing: not an ending
            continue
        if ending.request_digest == digest:
            found.append(ending)
    return found


def as_statuses(step: Step, ending: Ending) -> list[EvaluationStatus]:
    """The scores of an ending as status lists them."""
    return [
        EvaluationStatus(
            subject=score.subject,
            task=score.task,
            metric=score.metric,
            better=score.better,
            step=score.step,
            value=score.value,
            ci_low=score.ci_low,
            ci_high=score.ci_high,
        )
        for score in ending.scores
    ]


def with_scores(known: Sequence[EvaluationStatus], new: Sequence[EvaluationStatus]) -> tuple[EvaluationStatus, ...]:
    """The known scores with the new ones, each subject, task and metric once; the newest 512."""
    found = {(one.subject, one.task, one.metric): one for one in known}
    for score in new:
        found[score.subject, score.task, score.metric] = score
    return tuple(found.values())[-512:]


def failure_reason(job: JobSeen, pods: Sequence[PodSeen]) -> str:
    """One word for a Job that failed without an ending, or said nothing."""
    if job.state == "complete":
        return "Unread"
    if any(pod.terminated == "OOMKilled" for pod in pods):
        return "OutOfMemory"
    if any(pod.overdue for pod in pods):
        return "DeadlineExceeded"
    return job.reason or "Failed"


def failure_message(job: JobSeen, pods: Sequence[PodSeen]) -> str:
    """What is known of a Job that failed without an ending, or said nothing."""
    if job.state == "complete":
        return f"it completed {TRIES} times, and what its pods said could not be read: {UNREAD}"
    if any(pod.terminated == "OOMKilled" for pod in pods):
        return "a pod was ended for its memory; set a smaller evaluation.sampling.batchSize, or give it more memory"
    if any(pod.overdue for pod in pods):
        return (
            "a pod had its node for longer than the installation's settings.patience.evaluationSeconds; see in its "
            "progress file whether it hung, or have a higher one set: what it has written is kept"
        )
    said = next((pod.message for pod in pods if pod.message), "")
    return (said.strip().splitlines() or [job.message])[-1]


def best_of(evaluations: Sequence[EvaluationStatus], students: frozenset[str]) -> EvaluationStatus | None:
    """The student that is best on the first score that has a better side."""
    measured = [one for one in evaluations if one.subject in students and one.better != "neither"]
    if not measured:
        return None
    first = measured[0]
    rivals = [one for one in measured if (one.task, one.metric) == (first.task, first.metric)]
    sign = 1.0 if first.better == "higher" else -1.0
    return max(rivals, key=lambda one: (sign * one.value, one.step or 0))
