"""Carries a decision out: the status first, then what is deleted, then what is created, and events last.

Each effect may be the last one before a crash, and each may be done twice: names are deterministic, what exists counts
as created when it is the job's own, and what is gone counts as deleted. A write that meets a newer object is given up,
and the job is looked at again. While other jobs wait for their first answer, a job's first answer is all that it gets:
thousands that are there before the operator are told within seconds that they were seen.
"""

import hashlib
import logging
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gopd_api.objects import API_VERSION
from gopd_api.status import DistillationJobStatus
from gopd_operator.core.cluster.decision import Decision, Event, Look
from gopd_operator.core.cluster.manifests import Manifest
from gopd_operator.core.cluster.names import Key
from gopd_operator.core.cluster.seen import owner_uid
from gopd_operator.core.cluster.telling import events
from gopd_operator.shell.cluster.api import Api, ApiError
from gopd_operator.shell.cluster.cache import Body, Cache
from gopd_operator.shell.cluster.metrics import ATTEMPTS, GPU_SECONDS
from gopd_operator.shell.cluster.resources import (
    BY_KIND,
    CONFIG_MAP,
    DISTILLATION_JOB,
    EVENT,
    JOB,
    OURS,
    RAY_JOB,
)

log = logging.getLogger("gopd.operator")
COMPONENT = "gopd-operator"
CREATED_SECONDS = 10.0
"""What was created is written down with the first news of it, or after so long when there is none."""
WRITTEN_SECONDS = 0.2
"""What follows from a status that was just written is decided after so long, without any news."""


class Stale(Exception):
    """What the decision was made from is no longer what is there."""


@dataclass(frozen=True)
class Executor:
    """Does what was decided."""

    api: Api
    cache: Cache
    created: dict[Key, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    """What looks that failed half-way have created: the next one goes on behind it."""
    untold: dict[Key, list[Event]] = field(default_factory=dict)
    """Events of first answers, which are told with what follows them."""

    async def carry_out(self, look: Look, decision: Decision, body: Body) -> float | None:
        """Do it all, in order; seconds until the job should be looked at again for it, None when there is no need.

        Raises ApiError, and Stale when the job has changed meanwhile.
        """
        status = decision.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        known = look.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        written = status != known or not body.get("status")
        if written:
            await self._write(body, status)
            if not body.get("status") and self.cache.unanswered:
                self.untold[look.context.key] = events(look.status, decision.status)
                return 0.0
        elif decision.creates or decision.deletes:
            await self._still(body)
        namespace, resource = look.context.key.namespace, BY_KIND[look.context.key.kind]
        for target in decision.deletes:
            await self.api.delete(BY_KIND[target.kind], namespace, target.name, target.uid)
        await self._create_all(look, decision, body["metadata"]["uid"])
        for patch in decision.patches:
            change = {"spec": {"lifecycle": {"suspend": patch.suspend}}}
            answer = await self.api.patch(DISTILLATION_JOB, namespace, patch.name, change)
            self.cache.take(DISTILLATION_JOB, answer)
        if written:
            _count(look, decision)
        for event in self._news(look, decision):
            await self.tell(look.context.key, body["metadata"]["uid"], event)
        if decision.delete_job:
            await self.api.delete(resource, namespace, look.context.key.name, body["metadata"]["uid"])
        return CREATED_SECONDS if decision.creates else WRITTEN_SECONDS if written else None

    async def _write(self, body: Body, status: dict[str, Any]) -> None:
        """Replace the status of the very version that the decision was made from."""
        resource = BY_KIND[body["kind"]]
        try:
            answer = await self.api.replace_status(resource, body["metadata"], status)
        except ApiError as error:
            if error.conflict or error.status == 404:
                raise Stale(error.message) from None
            raise
        self.cache.take(resource, answer)

    async def _still(self, body: Body) -> None:
        """Make sure that the job is what it was: a late operator must not act on what it once knew."""
        meta, resource = body["metadata"], BY_KIND[body["kind"]]
        fresh = await self.api.get(resource, meta["namespace"], meta["name"])
        if fresh is None or fresh["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise Stale("the job was changed meanwhile")

    async def _create_all(self, look: Look, decision: Decision, owner: str) -> None:
        done = self.created[look.context.key]
        for manifest in decision.creates:
            place = (manifest["kind"], manifest["metadata"]["name"], owner)
            if place not in done:
                await self._create(manifest, owner)
                done.add(place)
        del self.created[look.context.key]

    async def _create(self, manifest: Manifest, owner: str) -> None:
        resource = BY_KIND[manifest["kind"]]
        answer = await self.api.create(resource, manifest)
        if answer is None and resource in (RAY_JOB, JOB, *OURS, CONFIG_MAP):
            meta = manifest["metadata"]
            answer = await self.api.get(resource, meta["namespace"], meta["name"])
            if answer is None or owner_uid(answer["metadata"]) != owner:
                whose = "is being deleted" if answer is None else "belongs to another owner"
                raise ApiError(409, "Occupied", f"{resource.kind} {meta['name']} {whose}; it is tried again")
        if answer is not None:
            self.cache.take(resource, {**answer, "kind": manifest["kind"]})

    def _news(self, look: Look, decision: Decision) -> list[Event]:
        return [*self.untold.pop(look.context.key, ()), *events(look.status, decision.status)]

    async def tell(self, key: Key, uid: str, event: Event) -> None:
        """An event of a job, under a name that follows from what it says: two operators tell it once."""
        told = f"{uid} {event.reason} {event.message}"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{key.name}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
                "namespace": key.namespace,
            },
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": key.kind,
                "name": key.name,
                "namespace": key.namespace,
                "uid": uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:1000],
            "source": {"component": COMPONENT},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self.api.create(EVENT, body)
        except ApiError as error:
            # Told or not, the work is done: an event is never worth a second look.
            log.warning("event %s of %s %s was not written: %s", event.reason, key.kind, key.name, error)
        level = logging.WARNING if event.type == "Warning" else logging.INFO
        extra = {"namespace": key.namespace, "job": key.name, "reason": event.reason}
        log.log(level, "%s %s/%s: %s: %s", key.kind, key.namespace, key.name, event.reason, event.message, extra=extra)


def _count(look: Look, decision: Decision) -> None:
    """Count the attempts that have just ended."""
    if not isinstance(look.status, DistillationJobStatus) or not isinstance(decision.status, DistillationJobStatus):
        return
    before = {one.number for one in look.status.attempts if one.ended}
    for attempt in decision.status.attempts:
        if attempt.ended and attempt.number not in before:
            ATTEMPTS.labels(attempt.failure or "none").inc()
            GPU_SECONDS.inc(attempt.gpu_seconds)
