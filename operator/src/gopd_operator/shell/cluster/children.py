"""What is known of the objects of one job: RayJobs, Jobs, the training's progress, pods that have something to tell.

They are kept as the small values of `core.cluster.seen`, and pods only where they suffered or do not start. Whether an
object is the job's own is told by its owner, when it is looked at; which job has what is the cache's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gopd_api.reports import Progress, TrainReport
from gopd_operator.core.cluster.failures import UNPREPARED, waits_in_words
from gopd_operator.core.cluster.names import PART
from gopd_operator.core.cluster.seen import (
    JobSeen,
    PodSeen,
    ProgressSeen,
    RayJobSeen,
    job_seen,
    owner_uid,
    pod_seen,
    rayjob_seen,
)
from gopd_operator.shell.cluster.resources import CONFIG_MAP, JOB, POD, RAY_JOB, Resource

Body = dict[str, Any]
CLUSTER = "ray.io/cluster"
"""Label: the RayCluster of a pod. No two have the same name, also not those of an attempt that is begun again."""


@dataclass(slots=True)
class KnownProgress:
    """A progress ConfigMap and when its heartbeat was last seen to move."""

    name: str
    owner: str
    version: int
    progress: Progress | None
    report: TrainReport | None
    moved: float


@dataclass(slots=True)
class Children:
    """The objects of one job."""

    clock: Callable[[], float]
    rayjobs: dict[str, tuple[int, RayJobSeen]] = field(default_factory=dict)
    jobs: dict[str, tuple[int, JobSeen]] = field(default_factory=dict)
    progress: KnownProgress | None = None
    marks: dict[str, tuple[str, PodSeen]] = field(default_factory=dict)
    """Pods of trainings that suffered, by name, each with its RayCluster: KubeRay replaces such a pod, and with it what
    it says. They are kept until their RayJob is gone."""
    waits: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Pods that have not started, by name, each with its RayCluster ("": an evaluation's) and why."""

    def take(self, resource: Resource, body: Body) -> bool:
        """Take an object in; whether it is news."""
        name, version = body["metadata"]["name"], int(body["metadata"]["resourceVersion"])
        if resource == CONFIG_MAP:
            # Requests are ConfigMaps too, and of no interest once they have been created.
            mine = (body["metadata"].get("labels") or {}).get(PART) == "progress"
            return mine and self._take_progress(body)
        if resource == POD:
            return self._take_pod(body)
        if resource == RAY_JOB:
            known = self.rayjobs.get(name)
            if known is None or known[0] < version:
                seen = rayjob_seen(body)
                self.rayjobs[name] = (version, seen)
                return known is None or known[1] != seen
        elif resource == JOB:
            before = self.jobs.get(name)
            if before is None or before[0] < version:
                job = job_seen(body)
                self.jobs[name] = (version, job)
                return before is None or before[1] != job
        return False

    def drop(self, resource: Resource, body: Body) -> bool:
        """An object is gone; whether that is news."""
        if resource == POD:
            return self._take_pod(body, gone=True)
        name, uid = body["metadata"]["name"], body["metadata"]["uid"]
        if resource == RAY_JOB and name in self.rayjobs and self.rayjobs[name][1].uid == uid:
            cluster = self.rayjobs.pop(name)[1].cluster
            self.marks = {pod: mark for pod, mark in self.marks.items() if mark[0] != cluster}
        elif resource == JOB and name in self.jobs and self.jobs[name][1].uid == uid:
            del self.jobs[name]
        elif resource == CONFIG_MAP and self.progress is not None and self.progress.name == name:
            self.progress = None
        return True

    def places(self, resource: Resource) -> Iterator[tuple[str, str]]:
        """Name and uid of what a full reading should find of a kind; of pods, those that do not start."""
        if resource == RAY_JOB:
            yield from ((name, seen.uid) for name, (_, seen) in self.rayjobs.items())
        elif resource == JOB:
            yield from ((name, seen.uid) for name, (_, seen) in self.jobs.items())
        elif resource == POD:
            yield from ((name, "") for name in self.waits)
        elif resource == CONFIG_MAP and self.progress is not None:
            yield self.progress.name, ""

    def marks_of(self, cluster: str) -> list[PodSeen]:
        """The pods of a RayCluster that suffered, also those that are gone."""
        return [pod for place, pod in self.marks.values() if place == cluster]

    def pods_wait(self, cluster: str) -> bool:
        """Whether a pod of a RayCluster, or ("") of an evaluation, has not started."""
        return any(place == cluster for place, _ in self.waits.values())

    def progress_of(self, uid: str) -> ProgressSeen:
        """What the training of the job of that uid has written, and for how long it has not moved."""
        known = self.progress
        if known is None or known.owner != uid:
            return ProgressSeen()
        return ProgressSeen(known.progress, known.report, self.clock() - known.moved)

    def _take_pod(self, body: Body, *, gone: bool = False) -> bool:
        """Keep what a pod suffered, and why it does not start. Another word on either is news, and so is a start."""
        pod = pod_seen(body)
        cluster = (body["metadata"].get("labels") or {}).get(CLUSTER, "")
        waits = "" if gone else waits_in_words(pod)
        _, before = self.waits.pop(pod.name, ("", ""))
        if waits:
            self.waits[pod.name] = (cluster, waits)
        suffered = pod.disrupted or pod.lost or pod.terminated == "OOMKilled"
        if not suffered or not cluster:  # an evaluation's pods say so themselves as long as their Job is there
            # All pods are prepared by their node for a while: who waits for one looks again by itself.
            return waits != before and {waits, before} != {"", UNPREPARED}
        news = self.marks.get(pod.name) != (cluster, pod)
        self.marks[pod.name] = (cluster, pod)
        return news

    def _take_progress(self, body: Body) -> bool:
        meta, data = body["metadata"], body.get("data") or {}
        known, version = self.progress, int(meta["resourceVersion"])
        if known is not None and known.version >= version:
            return False
        if known is not None and known.name != meta["name"]:
            known = None  # of an earlier job of this name
        progress, report = _parsed(Progress, data.get("progress")), _parsed(TrainReport, data.get("report"))
        before = known.progress.heartbeat if known is not None and known.progress is not None else None
        moved = known is None or (progress is not None and progress.heartbeat != before)
        self.progress = KnownProgress(
            meta["name"],
            owner_uid(meta),
            version,
            progress,
            report,
            self.clock() if moved or known is None else known.moved,
        )
        return known is None or (known.progress, known.report) != (progress, report)


def _parsed(model: type[Any], text: str | None) -> Any:
    """The progress or report in a ConfigMap; None for none, or for one of a version that is not known."""
    if not text:
        return None
    try:
        return model.model_validate_json(text)
    except ValueError:  # written by another version, or by somebody else: as if it were not there
        return None
