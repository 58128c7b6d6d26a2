"""From what is known of the cluster to what a decision is made from. Pods are looked at when something waits or fails,
and a training's report where it is missed: an end is judged once, and a watch that is behind or dead must not judge it.

It reads and judges nothing. A spec that this version cannot read is told as such: the schema of the API server and the
types are of one source, so it only happens to objects of another version.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from gopd_api.objects import KINDS, DistillationJob, EvalJob
from gopd_api.status import DistillationJobStatus, EvalJobStatus
from gopd_operator.core.cluster.conditions import ENDED
from gopd_operator.core.cluster.decision import Look, Status
from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.cluster.measuring import recorded_phase
from gopd_operator.core.cluster.names import Key, access_name
from gopd_operator.core.cluster.seen import JobSeen, PodSeen, ProgressSeen, RayJobSeen, Seen, pod_seen
from gopd_operator.core.comparing import FoundCheckpoint
from gopd_operator.core.settings import OperatorSettings
from gopd_operator.shell.cluster.api import Api
from gopd_operator.shell.cluster.cache import Body, Cache
from gopd_operator.shell.cluster.resources import CONFIG_MAP, POD


class Unreadable(Exception):
    """The object is not of this version; the message says where."""


@dataclass(frozen=True)
class Observer:
    """Makes looks."""

    api: Api
    cache: Cache
    settings: OperatorSettings

    async def look(self, key: Key) -> tuple[Look, Body] | None:
        """The look at a job and its body; None when the job is gone. Raises ApiError and Unreadable."""
        known = self.cache.jobs.get(key)
        if known is None:
            return None
        body = known.body()
        job, status = read(body)
        now = time.time()
        found, unfinished = self._students(key, known.names) if isinstance(job, EvalJob) else ({}, {})
        seen = await self._seen(key, known.uid, status)
        return Look(Context(job, self.settings), status, seen, now, found, unfinished), body

    async def _seen(self, key: Key, uid: str, status: Status) -> Seen:
        children = self.cache.children.get(key)
        if children is None:
            return Seen(children=self.cache.sweep_children(key, uid))
        rayjobs = [seen for _, seen in children.rayjobs.values() if seen.owner == uid]
        jobs = [seen for _, seen in children.jobs.values() if seen.owner == uid]
        pods: dict[str, list[PodSeen]] = {}
        if any(report_is_missed(rayjob, status, self.cache.progress_of(key, uid)) for rayjob in rayjobs):
            await self._read_progress(key, uid)
        for rayjob in rayjobs:
            wait = self.cache.pods_wait(key, rayjob.cluster)
            there: list[PodSeen] = []
            if status.phase not in ENDED and rayjob_pods_tell(rayjob, wait):
                there = await self._pods(key.namespace, f"ray.io/cluster={rayjob.cluster}")
            pods[rayjob.name] = with_marks(there, self.cache.marks_of(key, rayjob.cluster))
        recorded = {child.name for child in status.children if recorded_phase(status.children, child.name)}
        for job in jobs:
            wait, inspected = self.cache.pods_wait(key, ""), status.inspected is not None
            if status.phase not in ENDED and job_pods_tell(job, recorded, inspected=inspected, wait=wait):
                pods[job.name] = await self._pods(key.namespace, f"batch.kubernetes.io/job-name={job.name}")
        return Seen(rayjobs, jobs, self.cache.sweep_children(key, uid), self.cache.progress_of(key, uid), pods)

    async def _read_progress(self, key: Key, uid: str) -> None:
        """What the training has written, past the watch."""
        body = await self.api.get(CONFIG_MAP, key.namespace, access_name(key.name, uid))
        if body is not None:
            self.cache.take(CONFIG_MAP, body)

    async def _pods(self, namespace: str, selector: str) -> list[PodSeen]:
        return [pod_seen(body) async for body in self.api.list(POD, namespace, selector)]

    def _students(
        self, key: Key, names: tuple[str, ...]
    ) -> tuple[Mapping[str, tuple[FoundCheckpoint, ...]], Mapping[str, str]]:
        """Students of the DistillationJobs that an EvalJob names, and the jobs that have not ended."""
        found: dict[str, tuple[FoundCheckpoint, ...]] = {}
        unfinished: dict[str, str] = {}
        for name in names:
            known = self.cache.jobs.get(Key("DistillationJob", key.namespace, name))
            if known is None:
                unfinished[name] = "missing"
                continue
            if known.phase not in ENDED:
                unfinished[name] = known.phase
            status = DistillationJobStatus.model_validate(known.body().get("status") or {})
            found[name] = tuple(_checkpoints(status))
        return found, unfinished


def read(body: Body) -> tuple[DistillationJob | EvalJob, Status]:
    """The job and its status. Raises Unreadable."""
    kind = KINDS[body["kind"]]
    form = DistillationJobStatus if kind is DistillationJob else EvalJobStatus
    try:
        status = form.model_validate(body.get("status") or {})
        return kind.model_validate({**body, "status": None}), status
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unreadable(f"{where}: {first['msg']}; the operator and its CRDs are of different versions") from None


def report_is_missed(rayjob: RayJobSeen, status: Status, progress: ProgressSeen) -> bool:
    """Whether an attempt is about to be judged whose report is not known."""
    if not rayjob.terminal or not isinstance(status, DistillationJobStatus) or status.phase in ENDED:
        return False
    live = [one for one in status.attempts if one.number == rayjob.attempt and one.ended is None]
    return bool(live) and progress.report_of(rayjob) is None


def with_marks(there: Sequence[PodSeen], marks: Sequence[PodSeen]) -> list[PodSeen]:
    """The pods that are there and those that suffered; of one that is both, what it suffered."""
    suffered = {pod.name for pod in marks}
    return [*(pod for pod in there if pod.name not in suffered), *marks]


def rayjob_pods_tell(rayjob: RayJobSeen, pods_wait: bool) -> bool:
    """Whether the pods of an attempt can say why it waits or has failed."""
    if not rayjob.cluster:
        return False
    if rayjob.terminal:
        return (rayjob.deployment, rayjob.job) != ("Complete", "SUCCEEDED")
    return rayjob.deployment == "Initializing" and pods_wait


def job_pods_tell(job: JobSeen, recorded: set[str], *, inspected: bool, wait: bool) -> bool:
    """Whether the pods of a Job have something to say that status does not hold yet; `wait`: some pod does."""
    if job.part == "inspect":
        return not inspected
    return wait if job.state == "active" else job.name not in recorded


def _checkpoints(status: DistillationJobStatus) -> list[FoundCheckpoint]:
    """The exported students of a job, with their scores on what the job itself calls its best by."""
    best = status.best
    scores: dict[int, float] = {}
    for one in status.evaluations:
        if best is not None and one.step is not None and (one.task, one.metric) == (best.task, best.metric):
            scores[one.step] = one.value if one.better == "higher" else -one.value
    return [FoundCheckpoint(one.step, one.path, scores.get(one.step)) for one in status.checkpoints]
