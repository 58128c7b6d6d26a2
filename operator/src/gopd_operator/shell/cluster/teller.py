"""Tells of jobs in events, beside the work: a job's objects never wait for a line in `kubectl describe`.

Events of one job keep their order and carry the time at which they happened. While jobs wait for more urgent things,
events wait, but not for ever, and not more of them than fit: the oldest give way. What waits to be told is not told
twice. What is told and what is not is decided in `core.cluster.telling`; an event that cannot be written is logged and
dropped.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gopd_api.objects import API_VERSION
from gopd_operator.core.cluster.decision import Event
from gopd_operator.core.cluster.names import Key
from gopd_operator.shell.cluster.api import Api, ApiError
from gopd_operator.shell.cluster.resources import EVENT

log = logging.getLogger("gopd.operator")
COMPONENT = "gopd-operator"
LANES = 4
"""Events that are written at the same time; those of one job share a lane."""
LANE_EVENTS = 1000
"""Events that wait in one lane."""
POLITE_SECONDS, POLITE_STEP = 30.0, 0.1
"""An event waits so long for jobs with more urgent needs, looking for a gap each step."""
LAST_WORDS_SECONDS = 3.0
"""What may be told when the operator ends."""


class Teller:
    """Writes events. `crowded` says whether jobs wait for more urgent things."""

    def __init__(self, api: Api, crowded: Callable[[], bool]) -> None:
        self._api, self._crowded = api, crowded
        self._lanes: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in range(LANES)]
        self._waiting: set[tuple[str, str]] = set()
        """Namespace and name of the events that are in a lane."""

    def tell(self, key: Key, uid: str, event: Event) -> None:
        """Have an event of a job written, under a name that follows from what it says: two operators tell it once."""
        level = logging.WARNING if event.type == "Warning" else logging.INFO
        extra = {"namespace": key.namespace, "job": key.name, "reason": event.reason}
        log.log(level, "%s %s/%s: %s: %s", key.kind, key.namespace, key.name, event.reason, event.message, extra=extra)
        body, lane = event_body(key, uid, event, datetime.now(UTC)), self._lanes[hash(key) % LANES]
        if place(body) in self._waiting:
            return
        if lane.qsize() >= LANE_EVENTS:
            oldest = lane.get_nowait()
            self._waiting.discard(place(oldest))
            log.warning("event %s is not written: too many wait", oldest["metadata"]["name"])
        self._waiting.add(place(body))
        lane.put_nowait(body)

    async def work(self) -> None:
        """Write events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(self._work(lane))

    async def last_words(self) -> None:
        """Write what has not been written, as far as there is time for it."""
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                for lane in self._lanes:
                    while not lane.empty():
                        await self._write(lane.get_nowait())
        except TimeoutError:
            left = sum(lane.qsize() for lane in self._lanes)
            log.warning("%d events were not written before the end", left)

    async def _work(self, lane: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            body = await lane.get()
            try:
                await self._gap()
                await self._write(body)
            except asyncio.CancelledError:
                lane.put_nowait(body)  # for the last words; written twice it is one event, by its name
                raise

    async def _gap(self) -> None:
        waited = 0.0
        while waited < POLITE_SECONDS and self._crowded():
            await asyncio.sleep(POLITE_STEP)
            waited += POLITE_STEP

    async def _write(self, body: dict[str, Any]) -> None:
        self._waiting.discard(place(body))
        try:
            await self._api.create(EVENT, body)
        except ApiError as error:
            # Told or not, the work is done: an event is never worth a second look.
            log.warning("event %s was not written: %s", body["metadata"]["name"], error)


def place(body: dict[str, Any]) -> tuple[str, str]:
    """Namespace and name of an object."""
    return body["metadata"]["namespace"], body["metadata"]["name"]


def event_body(key: Key, uid: str, event: Event, now: datetime) -> dict[str, Any]:
    """The Event object."""
    told = f"{uid} {event.reason} {event.message}"
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
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
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
