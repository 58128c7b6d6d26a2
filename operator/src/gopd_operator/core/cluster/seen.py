"""What was seen of a job's objects: small values made from the bodies that the API server gives.

They hold what decisions need and nothing else, so that thousands of them cost little memory. No judgement is made here;
what a state means is decided in `failures`, `training` and `measuring`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from gopd_api.reports import Progress, TrainReport
from gopd_operator.core.cluster.names import ATTEMPT, DIGEST, PART, STEP

Body = Mapping[str, Any]


def seconds(text: str | None) -> float | None:
    """Seconds since 1970 of a time as Kubernetes writes it (`2026-01-31T12:00:00Z`), None for none."""
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def as_time(now: float) -> str:
    """Seconds since 1970 as Kubernetes writes a time."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner_uid(metadata: Body) -> str:
    """uid of the object's controller: a job of the same name that was deleted before is another owner."""
    return next((one["uid"] for one in metadata.get("ownerReferences") or [] if one.get("controller")), "")


def request_digest(metadata: Body) -> str:
    """Digest of the request that the object was made for: what an image answers, whatever is planned today."""
    return str((metadata.get("annotations") or {}).get(DIGEST, ""))


@dataclass(frozen=True, slots=True)
class RayJobSeen:
    """A RayJob: one attempt. The words of `deployment`, `job` and `reason` are KubeRay's and Ray's own."""

    name: str
    uid: str
    attempt: int
    created: float
    deployment: str = ""
    """jobDeploymentStatus: "", Initializing, Running, Complete, Failed, Suspending, Suspended, ValidationFailed, ..."""
    job: str = ""
    """jobStatus: "", PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED."""
    reason: str = ""
    message: str = ""
    cluster: str = ""
    """Name of its RayCluster."""
    held: bool = False
    """spec.suspend: a queue has not admitted it, or has taken its quota back."""
    deleting: bool = False
    started: float | None = None
    ended: float | None = None
    owner: str = ""
    """uid of the job that it belongs to."""
    digest: str = ""
    """Of the request that it carries out; empty where an earlier version created it."""

    @property
    def terminal(self) -> bool:
        """KubeRay does nothing more with it."""
        return self.deployment in ("Complete", "Failed", "ValidationFailed")


def rayjob_seen(body: Body) -> RayJobSeen:
    """The RayJob of a body; unset fields as Kubernetes leaves them out."""
    metadata, status = body["metadata"], body.get("status") or {}
    return RayJobSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=int((metadata.get("labels") or {}).get(ATTEMPT, 0)),
        created=seconds(metadata["creationTimestamp"]) or 0.0,
        deployment=status.get("jobDeploymentStatus") or "",
        job=status.get("jobStatus") or "",
        reason=status.get("reason") or "",
        message=(status.get("message") or "")[:1000],
        cluster=status.get("rayClusterName") or "",
        held=bool((body.get("spec") or {}).get("suspend")),
        deleting="deletionTimestamp" in metadata,
        started=seconds(status.get("startTime")),
        ended=seconds(status.get("endTime")),
        owner=owner_uid(metadata),
        digest=request_digest(metadata),
    )


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A batch/v1 Job: one part of a step, or the inspection."""

    name: str
    uid: str
    step: str
    part: str
    state: Literal["active", "complete", "failed"]
    digest: str = ""
    """Of the request that it carries out."""
    reason: str = ""
    message: str = ""
    suspended: bool = False
    starting: bool = False
    """Pods of it are there and do not run yet."""
    deleting: bool = False
    owner: str = ""
    """uid of the job that it belongs to."""


def job_seen(body: Body) -> JobSeen:
    """The Job of a body. A Job is over when it has the condition Complete or Failed."""
    metadata, status = body["metadata"], body.get("status") or {}
    marks = metadata.get("labels") or {}
    state: Literal["active", "complete", "failed"] = "active"
    over: Mapping[str, Any] = {}
    for condition in status.get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            state, over = ("complete" if condition["type"] == "Complete" else "failed"), condition
    return JobSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        step=marks.get(STEP, ""),
        part=marks.get(PART, ""),
        state=state,
        digest=request_digest(metadata),
        reason=over.get("reason") or "",
        message=(over.get("message") or "")[:500],
        suspended=bool((body.get("spec") or {}).get("suspend")),
        starting=(status.get("active") or 0) > (status.get("ready") or 0),
        deleting="deletionTimestamp" in metadata,
        owner=owner_uid(metadata),
    )


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod, as far as it tells why something does not start or has ended."""

    name: str
    head: bool
    phase: str
    waiting: str = ""
    """Why a container has not started: ImagePullBackOff, ErrImagePull, CreateContainerConfigError, ..."""
    unplaced: str = ""
    """The scheduler's words for why no node takes it; empty once one has."""
    placed: float | None = None
    """Since when it has a node."""
    unprepared: bool = False
    """Its node has not mounted its volumes, or not given it its network. Images are pulled after that."""
    terminated: str = ""
    """Why a container ended: OOMKilled, Error, Completed, ..."""
    exit_code: int | None = None
    disrupted: bool = False
    """Ended from outside: preempted, evicted, its node drained."""
    lost: bool = False
    """Its node does not answer, or was shut down."""
    overdue: bool = False
    """It had its node for longer than it may."""
    message: str = ""
    """What it says itself (termination message), or why it is as it is."""


LOST_REASONS = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated", "UnexpectedAdmissionError"})


def pod_seen(body: Body) -> PodSeen:
    """The pod of a body; of several containers, the one that says most."""
    metadata, status = body["metadata"], body.get("status") or {}
    waiting, terminated, code, words = "", "", None, status.get("message") or ""
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = container.get("state") or {}
        last = (container.get("lastState") or {}).get("terminated")
        ended = state.get("terminated") or last
        if "waiting" in state and (why := state["waiting"].get("reason")) not in (None, "PodInitializing"):
            waiting, words = why, state["waiting"].get("message") or words
        if ended and terminated != "OOMKilled":
            terminated, code = ended.get("reason") or "Error", ended.get("exitCode")
            words = ended.get("message") or words
    conditions = {one.get("type"): one for one in status.get("conditions") or []}
    disrupted = conditions.get("DisruptionTarget", {}).get("status") == "True"
    placing = conditions.get("PodScheduled", {})
    unplaced = placing.get("message") or placing.get("reason") or "" if placing.get("status") == "False" else ""
    prepared = conditions.get("PodReadyToStartContainers", {}).get("status")
    reason, phase = status.get("reason") or "", status.get("phase") or ""
    return PodSeen(
        name=metadata["name"],
        head=(metadata.get("labels") or {}).get("ray.io/node-type") == "head",
        phase=phase,
        waiting=waiting,
        unplaced=unplaced[:500],
        placed=seconds(placing.get("lastTransitionTime")) if placing.get("status") == "True" else None,
        unprepared=phase == "Pending" and prepared == "False",
        terminated=terminated,
        exit_code=code,
        disrupted=disrupted or reason in ("Preempting", "Preempted", "Evicted"),
        lost=reason in LOST_REASONS,
        overdue=reason == "DeadlineExceeded",
        message=words[:4096],
    )


@dataclass(frozen=True, slots=True)
class ProgressSeen:
    """What the training wrote into its ConfigMap, and for how long it has written nothing new."""

    progress: Progress | None = None
    report: TrainReport | None = None
    silent_seconds: float = 0.0
    """Since this operator saw another heartbeat; an operator that has just started counts from its start."""

    def report_of(self, rayjob: RayJobSeen) -> TrainReport | None:
        """The report of this very attempt, on the request that it was made for."""
        if self.report is None or self.progress is None or self.progress.attempt != rayjob.attempt:
            return None
        return self.report if rayjob.digest in ("", self.report.request_digest) else None


@dataclass(frozen=True, slots=True)
class ChildSeen:
    """A DistillationJob or EvalJob that a sweep made."""

    kind: str
    name: str
    uid: str
    phase: str
    suspend: bool
    message: str = ""


@dataclass(frozen=True)
class Seen:
    """Everything that was seen of one job's objects."""

    rayjobs: Sequence[RayJobSeen] = ()
    jobs: Sequence[JobSeen] = ()
    children: Sequence[ChildSeen] = ()
    progress: ProgressSeen = field(default_factory=ProgressSeen)
    pods: Mapping[str, Sequence[PodSeen]] = field(default_factory=dict)
    """Pods by the name of the RayJob or Job that they belong to, where they were looked at."""

    def rayjob(self, attempt: int) -> RayJobSeen | None:
        """The RayJob of an attempt."""
        return next((one for one in self.rayjobs if one.attempt == attempt), None)

    def job(self, name: str) -> JobSeen | None:
        """The Job of a name."""
        return next((one for one in self.jobs if one.name == name), None)
