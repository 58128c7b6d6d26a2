"""What the operator knows of the cluster's objects: kept small, filled by watches and by full readings.

Children are kept as the small values of `core.cluster.seen`; jobs as compact JSON, parsed when they are looked at. A
body is taken only when it is not older than what is known, so that a slow watch never takes a newer answer back.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gopd_api.reports import Progress, TrainReport
from gopd_operator.core.cluster.failures import UNPREPARED, waits_in_words
from gopd_operator.core.cluster.names import ATTEMPT, PART, Key, owner_key
from gopd_operator.core.cluster.seen import (
    ChildSeen,
    JobSeen,
    PodSeen,
    ProgressSeen,
    RayJobSeen,
    job_seen,
    owner_uid,
    pod_seen,
    rayjob_seen,
)
from gopd_operator.shell.cluster.resources import CONFIG_MAP, JOB, OURS, POD, RAY_JOB, Resource

Body = dict[str, Any]
Place = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class KnownJob:
    """A DistillationJob or EvalJob."""

    version: int
    text: bytes
    uid: str
    phase: str
    suspend: bool
    message: str
    sweep: Key | None
    names: tuple[str, ...] = ()
    """DistillationJobs that an EvalJob names."""

    def body(self) -> Body:
        """The whole object."""
        found: Body = json.loads(self.text)
        return found


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

    rayjobs: dict[str, tuple[int, RayJobSeen]] = field(default_factory=dict)
    jobs: dict[str, tuple[int, JobSeen]] = field(default_factory=dict)
    progress: KnownProgress | None = None
    marks: dict[tuple[int, str], PodSeen] = field(default_factory=dict)
    """Pods of attempts that suffered, by attempt and name: KubeRay replaces such a pod, and with it what it says."""
    waits: dict[tuple[int, str], str] = field(default_factory=dict)
    """Pods that have not started, and why. By attempt (0: of an evaluation) and name."""


class Cache:
    """Everything that is known, by job."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.jobs: dict[Key, KnownJob] = {}
        self.children: dict[Key, Children] = defaultdict(Children)
        self.followers: dict[Key, set[Key]] = defaultdict(set)
        """EvalJobs by the DistillationJobs that they name."""
        self.unanswered: set[Key] = set()
        """Jobs without any status."""
        self.members: dict[Key, set[Key]] = defaultdict(set)
        """The jobs that a sweep made."""

    def take(self, resource: Resource, body: Body) -> list[Key]:
        """Take an object in; the jobs that should be looked at for it: none when it is no news."""
        if resource in OURS:
            return self._take_job(body)
        key = owner_key(body["metadata"])
        if key is None or not self._take_child(key, resource, body):
            return []
        return [key]

    def echo(self, body: Body) -> list[Key]:
        """The jobs that should be looked at for a version that one's own write brought, when the watch brings it.

        Whoever wrote knows what was written, others do not: a sweep its child's phase, a child that it was made or
        suspended.
        """
        key, meta = job_key(body), body["metadata"]
        known = self.jobs.get(key)
        if known is None or known.uid != meta["uid"]:
            return []
        others = [*self.followers.get(key, ()), *([known.sweep] if known.sweep else [])]
        seen = (body.get("status") or {}).get("observedGeneration")
        return others if seen == meta.get("generation") else [key, *others]

    def marks_of(self, key: Key, attempt: int) -> list[PodSeen]:
        """The pods of an attempt that suffered, also those that are gone."""
        known = self.children[key].marks if key in self.children else {}
        return [pod for (number, _), pod in known.items() if number == attempt]

    def pods_wait(self, key: Key, attempt: int) -> bool:
        """Whether a pod of an attempt, or (0) of an evaluation, has not started."""
        return key in self.children and any(number == attempt for number, _ in self.children[key].waits)

    def drop(self, resource: Resource, body: Body) -> list[Key]:
        """An object is gone; the jobs that should be looked at for it."""
        meta = body["metadata"]
        if resource in OURS:
            return self._drop_job(job_key(body), meta["uid"])
        key = owner_key(meta)
        if key is None:
            return []
        if resource == POD:
            return [key] if self._take_pod(self.children[key], body, gone=True) else []
        self._forget(self.children[key], resource, meta["name"], meta["uid"])
        return [key]

    def places(self, resource: Resource) -> Iterator[tuple[Place, str, Key]]:
        """Namespace and name, uid, and job, of every known object of a kind."""
        if resource in OURS:
            for key, job in self.jobs.items():
                if key.kind == resource.kind:
                    yield (key.namespace, key.name), job.uid, key
            return
        for key, children in self.children.items():
            known = children.rayjobs if resource == RAY_JOB else children.jobs if resource == JOB else {}
            for name, (_, seen) in known.items():
                yield (key.namespace, name), seen.uid, key

    def progress_of(self, key: Key, uid: str) -> ProgressSeen:
        """What the job's training has written, and for how long it has not moved."""
        known = self.children[key].progress if key in self.children else None
        if known is None or known.owner != uid:
            return ProgressSeen()
        return ProgressSeen(known.progress, known.report, self._clock() - known.moved)

    def sweep_children(self, key: Key) -> list[ChildSeen]:
        """The jobs that a sweep made."""
        found = []
        for member in self.members.get(key, ()):
            job = self.jobs.get(member)
            if job is not None:
                found.append(ChildSeen(member.kind, member.name, job.uid, job.phase, job.suspend, job.message))
        return sorted(found, key=lambda one: (one.kind, one.name))

    def _take_job(self, body: Body) -> list[Key]:
        key, meta = job_key(body), body["metadata"]
        known, version = self.jobs.get(key), int(meta["resourceVersion"])
        if known is not None and known.uid == meta["uid"] and known.version >= version:
            return []
        self._unlink(key)
        meta = {name: value for name, value in meta.items() if name != "managedFields"}
        spec, status = body.get("spec") or {}, body.get("status") or {}
        named = [(subject.get("distillationJob") or {}).get("name") for subject in spec.get("subjects") or []]
        names = tuple(name for name in named if name)
        sweep = (meta.get("labels") or {}).get("gopd.io/sweep")
        parent = Key("DistillationJob", key.namespace, sweep) if sweep else None
        self.jobs[key] = KnownJob(
            version=version,
            text=json.dumps({**body, "metadata": meta}, separators=(",", ":")).encode(),
            uid=meta["uid"],
            phase=status.get("phase") or "Pending",
            suspend=bool((spec.get("lifecycle") or {}).get("suspend")),
            message=next((c.get("message") or "" for c in status.get("conditions") or [] if c["type"] == "Failed"), ""),
            sweep=parent,
            names=names,
        )
        (self.unanswered.discard if status else self.unanswered.add)(key)
        for name in names:
            self.followers[Key("DistillationJob", key.namespace, name)].add(key)
        if parent is not None:
            self.members[parent].add(key)
        return [key, *self.followers.get(key, ()), *([parent] if parent else [])]

    def _unlink(self, key: Key) -> None:
        known = self.jobs.get(key)
        if known is None:
            return
        for name in known.names:
            self.followers[Key("DistillationJob", key.namespace, name)].discard(key)
        if known.sweep is not None:
            self.members[known.sweep].discard(key)

    def _drop_job(self, key: Key, uid: str) -> list[Key]:
        known = self.jobs.get(key)
        if known is None or known.uid != uid:
            return []
        self._unlink(key)
        self.unanswered.discard(key)
        del self.jobs[key]
        return [*self.followers.get(key, ()), *([known.sweep] if known.sweep else [])]

    def _take_child(self, key: Key, resource: Resource, body: Body) -> bool:
        name, version = body["metadata"]["name"], int(body["metadata"]["resourceVersion"])
        children = self.children[key]
        if resource == CONFIG_MAP:
            # Requests are ConfigMaps too, and of no interest once they have been created.
            mine = (body["metadata"].get("labels") or {}).get(PART) == "progress"
            return mine and self._take_progress(children, body)
        if resource == POD:
            return self._take_pod(children, body)
        if resource == RAY_JOB:
            known = children.rayjobs.get(name)
            if known is None or known[0] < version:
                seen = rayjob_seen(body)
                children.rayjobs[name] = (version, seen)
                return known is None or known[1] != seen
        elif resource == JOB:
            before = children.jobs.get(name)
            if before is None or before[0] < version:
                job = job_seen(body)
                children.jobs[name] = (version, job)
                return before is None or before[1] != job
        return False

    @staticmethod
    def _take_pod(children: Children, body: Body, *, gone: bool = False) -> bool:
        """Keep what a pod suffered, and why it does not start. Another word on either is news, and so is a start."""
        pod = pod_seen(body)
        place = (int((body["metadata"].get("labels") or {}).get(ATTEMPT, 0)), pod.name)
        waits = "" if gone else waits_in_words(pod)
        before = children.waits.pop(place, "")
        if waits:
            children.waits[place] = waits
        suffered = pod.disrupted or pod.lost or pod.terminated == "OOMKilled"
        if not suffered or place[0] == 0:  # an evaluation's pods say so themselves as long as their Job is there
            # All pods are prepared by their node for a while: who waits for one looks again by itself.
            return waits != before and {waits, before} != {"", UNPREPARED}
        news = children.marks.get(place) != pod
        children.marks[place] = pod
        return news

    def _take_progress(self, children: Children, body: Body) -> bool:
        meta, data = body["metadata"], body.get("data") or {}
        known, version = children.progress, int(meta["resourceVersion"])
        if known is not None and known.version >= version:
            return False
        if known is not None and known.name != meta["name"]:
            known = None  # of an earlier job of this name
        progress, report = _parsed(Progress, data.get("progress")), _parsed(TrainReport, data.get("report"))
        before = known.progress.heartbeat if known is not None and known.progress is not None else None
        moved = known is None or (progress is not None and progress.heartbeat != before)
        children.progress = KnownProgress(
            meta["name"],
            owner_uid(meta),
            version,
            progress,
            report,
            self._clock() if moved or known is None else known.moved,
        )
        return known is None or (known.progress, known.report) != (progress, report)

    @staticmethod
    def _forget(children: Children, resource: Resource, name: str, uid: str) -> None:
        if resource == RAY_JOB and name in children.rayjobs and children.rayjobs[name][1].uid == uid:
            del children.rayjobs[name]
        elif resource == JOB and name in children.jobs and children.jobs[name][1].uid == uid:
            del children.jobs[name]
        elif resource == CONFIG_MAP and children.progress is not None and children.progress.name == name:
            children.progress = None


def job_key(body: Body) -> Key:
    """The key of a DistillationJob's or EvalJob's body."""
    kind = body["kind"]
    return Key(
        "EvalJob" if kind == "EvalJob" else "DistillationJob", body["metadata"]["namespace"], body["metadata"]["name"]
    )


def _parsed(model: type[Any], text: str | None) -> Any:
    """The progress or report in a ConfigMap; None for none, or for one of a version that is not known."""
    if not text:
        return None
    try:
        return model.model_validate_json(text)
    except ValueError:  # written by another version, or by somebody else: as if it were not there
        return None
