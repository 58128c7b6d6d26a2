"""What the operator knows of the cluster's objects: kept small, filled by watches and by full readings.

Children are kept as the small values of `core.cluster.seen`; jobs as compact JSON, parsed when they are looked at. A
body is taken only when it is not older than what is known, so that a slow watch never takes a newer answer back.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gopd_operator.core.cluster.names import SWEEP, Key, owner_key
from gopd_operator.core.cluster.seen import ChildSeen, PodSeen, ProgressSeen, owner_uid
from gopd_operator.shell.cluster.children import Children
from gopd_operator.shell.cluster.resources import OURS, Resource

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
    owner: str
    """uid of its controller: of the sweep that made it."""
    sweep: Key | None
    names: tuple[str, ...] = ()
    """DistillationJobs that an EvalJob names."""

    def body(self) -> Body:
        """The whole object."""
        found: Body = json.loads(self.text)
        return found


class Cache:
    """Everything that is known, by job."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.jobs: dict[Key, KnownJob] = {}
        self.children: dict[Key, Children] = {}
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
        # Of a job that is gone, or that the next full reading brings: that reads jobs first.
        if key is None or key not in self.jobs or not self._children(key).take(resource, body):
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

    def marks_of(self, key: Key, cluster: str) -> list[PodSeen]:
        """The pods of a RayCluster that suffered, also those that are gone; none of an earlier job of this name."""
        return self.children[key].marks_of(cluster) if key in self.children else []

    def pods_wait(self, key: Key, cluster: str) -> bool:
        """Whether a pod of a RayCluster, or ("") of an evaluation, has not started."""
        return key in self.children and self.children[key].pods_wait(cluster)

    def drop(self, resource: Resource, body: Body) -> list[Key]:
        """An object is gone; the jobs that should be looked at for it."""
        meta = body["metadata"]
        if resource in OURS:
            return self._drop_job(job_key(body), meta["uid"])
        key = owner_key(meta)
        if key is None or key not in self.children:
            return []
        return [key] if self.children[key].drop(resource, body) else []

    def places(self, resource: Resource) -> Iterator[tuple[Place, str, Key]]:
        """Namespace and name, uid, and job, of every known object of a kind."""
        if resource in OURS:
            for key, job in self.jobs.items():
                if key.kind == resource.kind:
                    yield (key.namespace, key.name), job.uid, key
            return
        for key, children in self.children.items():
            for name, uid in children.places(resource):
                yield (key.namespace, name), uid, key

    def progress_of(self, key: Key, uid: str) -> ProgressSeen:
        """What the job's training has written, and for how long it has not moved."""
        return self.children[key].progress_of(uid) if key in self.children else ProgressSeen()

    def sweep_children(self, key: Key, uid: str) -> list[ChildSeen]:
        """The jobs that this very sweep made: a label alone does not make a job its child."""
        found = []
        for member in self.members.get(key, ()):
            job = self.jobs.get(member)
            if job is not None and job.owner == uid:
                found.append(ChildSeen(member.kind, member.name, job.uid, job.phase, job.suspend, job.message))
        return sorted(found, key=lambda one: (one.kind, one.name))

    def _children(self, key: Key) -> Children:
        return self.children.setdefault(key, Children(self._clock))

    def _take_job(self, body: Body) -> list[Key]:
        key, meta = job_key(body), body["metadata"]
        known, version = self.jobs.get(key), int(meta["resourceVersion"])
        if known is not None and known.uid == meta["uid"] and known.version >= version:
            return []
        self._unlink(key)
        if known is not None and known.uid != meta["uid"]:
            self.children.pop(key, None)  # of the job that had this name before; its own objects say so by their owner
        meta = {name: value for name, value in meta.items() if name != "managedFields"}
        spec, status = body.get("spec") or {}, body.get("status") or {}
        named = [(subject.get("distillationJob") or {}).get("name") for subject in spec.get("subjects") or []]
        names = tuple(name for name in named if name)
        sweep = (meta.get("labels") or {}).get(SWEEP)
        parent = Key("DistillationJob", key.namespace, sweep) if sweep else None
        self.jobs[key] = KnownJob(
            version=version,
            text=json.dumps({**body, "metadata": meta}, separators=(",", ":")).encode(),
            uid=meta["uid"],
            phase=status.get("phase") or "Pending",
            suspend=bool((spec.get("lifecycle") or {}).get("suspend")),
            message=next((c.get("message") or "" for c in status.get("conditions") or [] if c["type"] == "Failed"), ""),
            owner=owner_uid(meta),
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
            _leave(self.followers, Key("DistillationJob", key.namespace, name), key)
        if known.sweep is not None:
            _leave(self.members, known.sweep, key)

    def _drop_job(self, key: Key, uid: str) -> list[Key]:
        known = self.jobs.get(key)
        if known is None or known.uid != uid:
            return []
        self._unlink(key)
        self.unanswered.discard(key)
        self.children.pop(key, None)
        del self.jobs[key]
        return [*self.followers.get(key, ()), *([known.sweep] if known.sweep else [])]


def _leave(index: dict[Key, set[Key]], place: Key, key: Key) -> None:
    """Take `key` out of the keys at `place`, and the place with the last one."""
    index[place].discard(key)
    if not index[place]:
        del index[place]


def job_key(body: Body) -> Key:
    """The key of a DistillationJob's or EvalJob's body."""
    kind = body["kind"]
    return Key(
        "EvalJob" if kind == "EvalJob" else "DistillationJob", body["metadata"]["namespace"], body["metadata"]["name"]
    )
