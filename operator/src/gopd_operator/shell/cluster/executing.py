"""Carries a decision out: the status first, but for what it stands for; then what is deleted, then what is created.

Each effect may be the last one before a crash, and each may be done twice: names are deterministic, what exists counts
as created when it is the job's own, and what is gone counts as deleted. A write that meets a newer object is given up,
and the job is looked at again. Events are told beside it. How much is done in one turn is decided in
`core.cluster.pacing`.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gopd_api.status import DistillationJobStatus
from gopd_operator.core.cluster.decision import Decision, Look
from gopd_operator.core.cluster.manifests import Manifest
from gopd_operator.core.cluster.names import Key
from gopd_operator.core.cluster.pacing import Crowd, Extent, extent, next_look, waves
from gopd_operator.core.cluster.seen import owner_uid
from gopd_operator.core.cluster.telling import events
from gopd_operator.shell.cluster.api import Api, ApiError
from gopd_operator.shell.cluster.cache import Body, Cache
from gopd_operator.shell.cluster.keyqueue import Again
from gopd_operator.shell.cluster.metrics import ATTEMPTS, GPU_SECONDS
from gopd_operator.shell.cluster.resources import (
    BY_KIND,
    CONFIG_MAP,
    DISTILLATION_JOB,
    JOB,
    OURS,
    RAY_JOB,
)
from gopd_operator.shell.cluster.teller import Teller


class Stale(Exception):
    """What the decision was made from is no longer what is there."""


@dataclass(frozen=True)
class Executor:
    """Does what was decided."""

    api: Api
    cache: Cache
    teller: Teller
    created: dict[Key, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    """What looks that were not carried out to their end have created: the next one goes on behind it."""

    async def carry_out(self, look: Look, decision: Decision, body: Body, crowd: Crowd) -> Again | None:
        """Do it, in order, as far as the crowd of other jobs allows; when the job should be looked at again for it.

        Raises ApiError, and Stale when the job has changed meanwhile.
        """
        status = decision.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        known = look.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        first, uid = not body.get("status"), body["metadata"]["uid"]
        written = first or status != known
        turn = extent(decision, crowd, first=first)
        if turn == "nothing":
            return Again(0.0)
        if decision.before:
            await self._still(body)
            await self._create_all(look, decision.before, uid)
        if written:
            await self._write(body, status)
            _count(look, decision)
            for event in events(look.status, decision.status):
                self.teller.tell(look.context.key, uid, event)
        elif decision.creates or decision.deletes:
            await self._still(body)
        if turn == "answer":
            return Again(0.0, calm=False)
        await self._delete_and_create(look, decision, uid, turn)
        if turn == "urgent":
            return Again(0.0)
        self.created.pop(look.context.key, None)
        if decision.delete_job:
            key = look.context.key
            await self.api.delete(BY_KIND[key.kind], key.namespace, key.name, uid)
        wait = next_look(decision, time.time(), written=written)
        return None if wait is None else Again(wait)

    async def _delete_and_create(self, look: Look, decision: Decision, uid: str, turn: Extent) -> None:
        namespace = look.context.key.namespace
        for target in decision.deletes:
            await self.api.delete(BY_KIND[target.kind], namespace, target.name, target.uid)
        await self._create_all(look, decision.creates, uid)
        if turn == "urgent":
            return
        await self._create_all(look, decision.later, uid)
        for patch in decision.patches:
            change = {"spec": {"lifecycle": {"suspend": patch.suspend}}}
            answer = await self.api.patch(DISTILLATION_JOB, namespace, patch.name, change)
            self.cache.take(DISTILLATION_JOB, answer)

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

    async def _create_all(self, look: Look, manifests: Sequence[Manifest], owner: str) -> None:
        done = self.created[look.context.key]

        async def create(manifest: Manifest) -> ApiError | None:
            place = (manifest["kind"], manifest["metadata"]["name"], owner)
            try:
                if place not in done:
                    await self._create(manifest, owner)
                    done.add(place)
            except ApiError as error:
                return error
            return None

        for wave in waves(manifests):
            for error in await asyncio.gather(*map(create, wave)):
                if error is not None:
                    raise error

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


def _count(look: Look, decision: Decision) -> None:
    """Count the attempts that have just ended."""
    if not isinstance(look.status, DistillationJobStatus) or not isinstance(decision.status, DistillationJobStatus):
        return
    before = {one.number for one in look.status.attempts if one.ended}
    for attempt in decision.status.attempts:
        if attempt.ended and attempt.number not in before:
            ATTEMPTS.labels(attempt.failure or "none").inc()
            GPU_SECONDS.inc(attempt.gpu_seconds)
