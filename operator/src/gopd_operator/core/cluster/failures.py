"""Why an attempt ended, from everything that was seen of it: the training's report first, then pods, then KubeRay.

Where the report knows only what broke, pods and Ray's words for a lost machine come before it: the training outlives
its workers, and sees of their end no more than that they do not answer. Decides the class, the reason (one CamelCase
word) and the sentence with the remedy. What follows from a class (another attempt, when, or none) is decided in
`retrying`. An unreachable dashboard or a lost machine is never the job's fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gopd_api.reports import TrainReport
from gopd_api.status import FailureClass
from gopd_operator.core.cluster.seen import PodSeen, RayJobSeen


@dataclass(frozen=True)
class End:
    """How an attempt ended: `failure` is None for success."""

    failure: FailureClass | None
    reason: str
    message: str = ""
    final: bool = False
    """Another attempt would end in the same way."""


SUCCEEDED = End(None, "Completed")
IMAGE_WAITS = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
CREATION_WAITS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
"""The kubelet's words for a container that it cannot make, and tries again to: a secret that is missing, mostly."""
UNPREPARED = "its node prepares it"
UNPREPARED_SECONDS = 60
"""Every node takes seconds to prepare a pod; one that takes longer than this is told."""
KUBERAY: dict[str, tuple[FailureClass, str, str]] = {
    "SubmissionFailed": ("infrastructure", "SubmissionFailed", "the job could not be handed to Ray"),
    "DeadlineExceeded": ("deadline", "DeadlineExceeded", "lifecycle.activeDeadlineSeconds has passed"),
    "PreRunningDeadlineExceeded": ("infrastructure", "NotScheduled", "the pods did not start in time"),
    "JobStatusCheckTimeoutExceeded": (
        "infrastructure",
        "DashboardUnreachable",
        "KubeRay could not ask Ray's dashboard for the job's state",
    ),
    "JobDeploymentStatusTransitionGracePeriodExceeded": (
        "infrastructure",
        "RayStuck",
        "Ray called the job ended and KubeRay did not see its end",
    ),
}
"""KubeRay's reasons of a failed RayJob that say enough by themselves."""
REPORTED: dict[str, tuple[FailureClass, bool]] = {
    "InvalidInput": ("application", True),
    "OutOfMemory": ("memory", False),
    "Stalled": ("stall", False),
}
"""The training's own reasons: class, and whether another attempt is useless."""
SYMPTOMS = frozenset({"Error", "Died", "FailedSamples", "Stalled"})
"""The training's reasons that a worker's end may lie behind."""
NODE_LOST = ("its node has died", "NodeDiedError", "node was preempted")
"""Ray's words for a machine that went, where its pod has been replaced meanwhile."""
MEMORY_REMEDY = (
    "a process was ended for its memory; set a smaller optimization.microBatchSize, data.maxResponseTokens or "
    "checkpoints' everySteps, or give the pods more memory"
)


def waits_in_words(pod: PodSeen) -> str:
    """Why a pod has not started: the kubelet's word, the scheduler's, or ours; empty for one that is starting."""
    said = pod.waiting if pod.waiting in IMAGE_WAITS | CREATION_WAITS else pod.unplaced
    return said or (UNPREPARED if pod.unprepared else "")


def not_starting(pods: Sequence[PodSeen], now: float) -> tuple[str, str] | None:
    """Reason and words on pods that no node takes, or that do not start on theirs; None when none does."""
    lacking = sorted((pod for pod in pods if pod.unplaced), key=lambda pod: (not pod.head, pod.name))
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        return "Unschedulable", f"no node takes pod {lacking[0].name}{more}: {lacking[0].unplaced}"
    found = blocked(pods, now)
    return None if found is None else (found[1].reason, found[1].message)


def blocked(pods: Sequence[PodSeen], now: float) -> tuple[PodSeen, End] | None:
    """A pod that has a node and does not start there, and the end that it comes to when it stays so."""
    if waiting := _refused_start(pods):
        return waiting
    late = (pod for pod in pods if pod.unprepared and pod.placed is not None and now - pod.placed > UNPREPARED_SECONDS)
    if (pod := next(late, None)) is None:
        return None
    words = f"pod {pod.name}: its node does not prepare it: a volume cannot be mounted, or its network is missing"
    return pod, End("infrastructure", "PodNotPrepared", f"{words}; `kubectl describe pod {pod.name}` says which")


def _refused_start(pods: Sequence[PodSeen]) -> tuple[PodSeen, End] | None:
    """A pod whose container the kubelet cannot make, and the end of its attempt."""
    for pod in pods:
        words = f"pod {pod.name}: {pod.waiting}{f' ({pod.message[:300]})' if pod.message else ''}"
        if pod.waiting in IMAGE_WAITS:
            return pod, End(
                "image", "ImagePullFailed", f"{words}; correct compute.image or podPatches.imagePullSecrets"
            )
        if pod.waiting in CREATION_WAITS:
            remedy = "create what it names in the job's namespace, or correct tracking.secret or podPatches"
            return pod, End("application", "ContainerNotCreated", f"{words}; {remedy}")
    return None


def lost_end(name: str) -> End:
    """The end of an attempt whose RayJob was there and is gone."""
    return End("infrastructure", "Lost", f"RayJob {name} was deleted by somebody else")


def end_of(rayjob: RayJobSeen, report: TrainReport | None, pods: Sequence[PodSeen]) -> End | None:
    """How an attempt ended whose RayJob is terminal; None while its report should still come.

    `report` must be this attempt's own.
    """
    if rayjob.deployment == "ValidationFailed" or rayjob.reason == "ValidationFailed":
        message = f"KubeRay refuses RayJob {rayjob.name}: {rayjob.message}; correct compute or podPatches"
        return End("validation", "ValidationFailed", message, final=True)
    if report is not None:
        return _behind(report, pods) or _reported(report)
    if rayjob.deployment == "Complete" and rayjob.job == "SUCCEEDED":
        return None
    if rayjob.job == "STOPPED":
        return End("infrastructure", "StoppedFromOutside", "the Ray job was stopped by somebody else than the operator")
    if (seen := _from_pods(pods)) is not None:
        return seen
    if rayjob.reason in KUBERAY:
        failure, reason, words = KUBERAY[rayjob.reason]
        return End(failure, reason, f"{words} ({rayjob.message[:300]})" if rayjob.message else words)
    return _machine_lost(rayjob.message) or End(
        "application", rayjob.reason or "AppFailed", rayjob.message or "the training ended with an error"
    )


def no_report() -> End:
    """The end of an attempt that Ray calls succeeded and that left no report."""
    return End("application", "NoReport", "Ray calls the training succeeded, and it has written no report")


def _behind(report: TrainReport, pods: Sequence[PodSeen]) -> End | None:
    """What lies behind a report that names a symptom; None when nothing else is seen."""
    if report.outcome != "failed" or report.reason not in SYMPTOMS:
        return None
    return _from_pods(pods) or _machine_lost(report.message)


def _machine_lost(words: str) -> End | None:
    if any(text in words for text in NODE_LOST):
        return End("infrastructure", "WorkerLost", "a machine was lost while training")
    return None


def _reported(report: TrainReport) -> End:
    if report.outcome == "succeeded":
        return SUCCEEDED
    if report.outcome == "stopped":
        if report.reason == "DeadlineNear":
            return End("deadline", "DeadlineExceeded", "lifecycle.activeDeadlineSeconds has passed", final=True)
        return End("preemption", report.reason, report.message)
    failure, final = REPORTED.get(report.reason, ("application", False))
    return End(failure, report.reason, report.message, final)


def _from_pods(pods: Sequence[PodSeen]) -> End | None:
    """What the pods say: memory first, since a killed worker takes others with it."""
    if killed := next((pod for pod in pods if pod.terminated == "OOMKilled"), None):
        return End("memory", "OutOfMemory", f"pod {killed.name}: {MEMORY_REMEDY}")
    if waiting := _refused_start(pods):
        return waiting[1]
    if taken := next((pod for pod in pods if pod.disrupted), None):
        return End("preemption", "Preempted", f"pod {taken.name} was taken away ({taken.message[:200] or 'disrupted'})")
    if gone := next((pod for pod in pods if pod.lost), None):
        where: Literal["HeadLost", "WorkerLost"] = "HeadLost" if gone.head else "WorkerLost"
        return End("infrastructure", where, f"pod {gone.name} was lost with its node")
    return None
