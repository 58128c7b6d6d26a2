"""The operator: kopf's watches fill the cache and the queue, workers look, decide and carry out.

Level-triggered: an event only says which job to look at, and everything is read anew now and then, so a lost event
costs time and nothing else. kopf keeps no state of its own here: no annotations, no finalizers, no timers.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from gopd_operator.core.cluster.conditions import ENDED
from gopd_operator.core.cluster.deciding import decide
from gopd_operator.core.cluster.names import Key
from gopd_operator.core.cluster.pacing import Crowd
from gopd_operator.core.cluster.telling import refusal
from gopd_operator.core.settings import OperatorSettings
from gopd_operator.shell.cluster.api import Api, ApiError
from gopd_operator.shell.cluster.cache import Cache, job_key
from gopd_operator.shell.cluster.executing import Executor, Stale
from gopd_operator.shell.cluster.keyqueue import Again, KeyQueue
from gopd_operator.shell.cluster.metrics import JOBS, LOOK_ERRORS, LOOKS, QUEUE
from gopd_operator.shell.cluster.mirror import Mirror
from gopd_operator.shell.cluster.observing import Observer, Unreadable
from gopd_operator.shell.cluster.resources import BY_KIND, DISTILLATION_JOB, OURS, WATCHED, Resource
from gopd_operator.shell.cluster.teller import Teller

log = logging.getLogger("gopd.operator")
UNREADABLE_SECONDS, UNREAD_SECONDS = 300.0, 2.0
"""Until an object of another version is looked at again; until what could not be read is read again, at first."""
REFUSED = frozenset({400, 403, 409, 413, 422})
"""Answers that asking again does not change by itself: whoever waits for the job should hear of them."""
READ = "READ"
"""In place of an event's kind: the object was found by a full reading."""
READINGS_A_LOOK = 12
"""A job that goes on is looked at once in so many full readings, without any news: against what nobody thought of."""


class Operator:
    """All that one operator process holds."""

    def __init__(self, settings: OperatorSettings, api: Api) -> None:
        self.settings, self.api = settings, api
        self.cache = Cache()
        self.queue: KeyQueue[Key] = KeyQueue()
        self.observer = Observer(api, self.cache, settings)
        self.teller = Teller(api, self.crowded)
        self.executor = Executor(api, self.cache, self.teller)
        self.mirror = Mirror(settings.tracking_uri)
        self.synced: float | None = None
        """Monotonic time of the last full reading."""
        self.reading = 0

    def crowded(self) -> bool:
        """Whether a job waits for what is more urgent than events."""
        return bool(self.cache.unanswered) or self.queue.pressed()

    def news(self, resource: Resource, kind: str | None, body: dict[str, Any]) -> bool:
        """An event of a watch, or (READ) an object of a full reading; whether it could be taken in."""
        body = {**body, "kind": resource.kind}
        if resource == DISTILLATION_JOB and kind != READ:
            self._guarded(body, lambda: self._mirrored(kind, body))  # before the cache forgets what is gone
        return self._guarded(body, lambda: self._taken(resource, kind, body))

    def _taken(self, resource: Resource, kind: str | None, body: dict[str, Any]) -> None:
        keys = (self.cache.drop if kind == "DELETED" else self.cache.take)(resource, body)
        if not keys and kind not in ("DELETED", READ) and resource in OURS:
            keys = self.cache.echo(body)
        for key in keys:
            self.queue.add(key)

    @staticmethod
    def _guarded(body: dict[str, Any], act: Callable[[], None]) -> bool:
        """Do something with one object. Anybody may write one with our labels: it must not end the work on others."""
        try:
            act()
        except Exception:  # whatever it is, it is one object's; it is logged whole and counted
            meta = body.get("metadata") or {}
            LOOK_ERRORS.labels("unforeseen").inc()
            log.exception("%s %s/%s is left out", body["kind"], meta.get("namespace"), meta.get("name"))
            return False
        return True

    def _mirrored(self, kind: str | None, body: dict[str, Any]) -> None:
        """Tell the mirror; of a job that is gone what was last known, since some news of it hold a name only."""
        if kind != "DELETED":
            self.mirror.news(body)
            return
        known = self.cache.jobs.get(job_key(body))
        if known is not None and known.uid == body["metadata"]["uid"]:
            self.mirror.news(known.body(), deleted=True)

    async def work(self) -> None:
        """Look at jobs, several at a time, for ever. The first looks wait for the first full reading."""
        while self.synced is None:
            await asyncio.sleep(0.05)
        await self.queue.work(self.look, self.settings.workers)

    async def look(self, key: Key) -> Again | None:
        """One look at one job; when the next one is, None when only news should bring it back."""
        begun = time.perf_counter()
        try:
            again = await self._look(key)
        except Stale:
            LOOK_ERRORS.labels("stale").inc()
            return await self._refresh(key)
        except ApiError as error:
            LOOK_ERRORS.labels(error.reason or str(error.status)).inc()
            wait = self.queue.failed(key, error.retry_after or 0.0)
            log.warning("%s %s/%s: %s; again in %.1f s", key.kind, key.namespace, key.name, error, wait)
            known = self.cache.jobs.get(key)
            if error.status in REFUSED and known is not None:
                self.teller.tell(key, known.uid, refusal(error.message))
            return Again(wait, calm=False)
        except Unreadable as error:
            LOOK_ERRORS.labels("unreadable").inc()
            log.error("%s %s/%s: %s", key.kind, key.namespace, key.name, error)
            self.cache.unanswered.discard(key)  # nothing waits for an answer that does not come
            return Again(UNREADABLE_SECONDS)
        except Exception:  # one job's fault must not end the work on all others; it is logged whole
            LOOK_ERRORS.labels("unforeseen").inc()
            wait = self.queue.failed(key)
            log.exception(
                "%s %s/%s: an error of the operator; again in %.1f s", key.kind, key.namespace, key.name, wait
            )
            return Again(wait, calm=False)
        finally:
            LOOKS.observe(time.perf_counter() - begun)
        self.queue.succeeded(key)
        return again

    async def _look(self, key: Key) -> Again | None:
        made = await self.observer.look(key)
        if made is None:
            self.queue.forget(key)
            self.executor.created.pop(key, None)
            return None
        look, body = made
        decision = decide(look)
        others = len(self.cache.unanswered) - (key in self.cache.unanswered)
        crowd = Crowd(others, self.queue.pressed(but=key), self.queue.calm(key))
        return await self.executor.carry_out(look, decision, body, crowd)

    async def _refresh(self, key: Key) -> Again | None:
        """Read the job anew: the watch is behind."""
        try:
            fresh = await self.api.get(BY_KIND[key.kind], key.namespace, key.name)
        except ApiError:
            return Again(self.queue.failed(key), calm=False)
        if fresh is None:
            known = self.cache.jobs.get(key)
            if known is not None:
                self.news(BY_KIND[key.kind], "DELETED", known.body())
            return None
        if not self.news(BY_KIND[key.kind], None, fresh):
            return Again(self.queue.failed(key), calm=False)
        return Again(0.0, calm=False)

    async def keep_synced(self) -> None:
        """Read everything at the start and again now and then; what cannot be read is tried less and less often."""
        wait = UNREAD_SECONDS
        while True:
            try:
                await self.sync()
            except ApiError as error:
                log.warning("the objects could not be read: %s; again in %.0f s", error, wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, self.settings.resync_seconds)
                continue
            wait = UNREAD_SECONDS
            await asyncio.sleep(self.settings.resync_seconds)

    async def sync(self) -> None:
        """Read every object once; have the jobs looked at that have news, and now and then each that goes on."""
        first = self.synced is None
        self.reading = (self.reading + 1) % READINGS_A_LOOK
        for resource, selector in WATCHED.items():
            for namespace in self.settings.namespaces or (None,):
                await self._sync(resource, namespace, selector)
        self.synced = time.monotonic()
        for number, (key, job) in enumerate(self.cache.jobs.items()):
            if first:
                self.queue.add(key)
            elif job.phase not in ENDED and number % READINGS_A_LOOK == self.reading:
                self.queue.add(key, random.uniform(0, self.settings.resync_seconds / 2), calm=True)
        self.count()

    async def _sync(self, resource: Resource, namespace: str | None, selector: str | None) -> None:
        before = {place: (uid, key) for place, uid, key in self.cache.places(resource)}
        async for body in self.api.list(resource, namespace, selector):
            meta = body["metadata"]
            before.pop((meta["namespace"], meta["name"]), None)
            self.news(resource, READ, body)
        for (space, name), (uid, key) in before.items():
            if namespace is not None and space != namespace:
                continue
            labels = {"gopd.io/managed": "true", "gopd.io/kind": key.kind, "gopd.io/job": key.name}
            gone = {"name": name, "namespace": space, "uid": uid, "labels": labels}
            self.news(resource, "DELETED", {"kind": resource.kind, "metadata": gone})

    def count(self) -> None:
        """Set the gauges from what is known."""
        QUEUE.set(len(self.queue))
        JOBS.clear()
        for key, job in self.cache.jobs.items():
            JOBS.labels(key.kind, job.phase).inc()
