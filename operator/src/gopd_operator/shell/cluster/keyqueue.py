"""The queue of jobs that should be looked at: each key once, never by two workers, later when it failed.

A key that is added while it is being worked on is worked on again afterwards. A failed look comes back after a wait
that doubles, up to half a minute, with some chance in it, so that many jobs do not come back together. Calm keys, which
nobody waits for, are worked on one at a time while there are others. It knows nothing of jobs.
"""

import asyncio
import contextlib
import heapq
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
CALM_BESIDE_OTHERS = 1
"""Calm keys that are worked on while other keys are: the API server is left to those who wait."""


@dataclass(frozen=True)
class Again:
    """When a key comes back by itself."""

    seconds: float
    calm: bool = True
    """Nobody waits for it."""


@dataclass(slots=True)
class _Entry:
    due: float
    calm: bool


class KeyQueue(Generic[Key]):
    """Keys with the time at which each is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._heaps: dict[bool, list[tuple[float, int, Key]]] = {False: [], True: []}
        """By calm."""
        self._busy: dict[Key, bool] = {}
        """The keys that are being worked on, and whether they came as calm ones."""
        self._failures: dict[Key, int] = {}
        self._count = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Keys that are due now and not being worked on."""
        now = self._clock()
        return sum(1 for entry in self._entries.values() if entry.due <= now)

    def calm(self, key: Key) -> bool:
        """Whether `key` is being worked on as one that nobody waits for."""
        return self._busy.get(key, False)

    def pressed(self, but: Key | None = None) -> bool:
        """Whether a key that somebody waits for, another one than `but`, is due or being worked on."""
        heap = self._heaps[False]
        due = bool(heap) and heap[0][0] <= self._clock()
        return due or any(not calm and key != but for key, calm in self._busy.items())

    def oldest(self) -> float:
        """Seconds that the longest waiting key is overdue, calm ones aside; 0 when none is."""
        waiting = [one.due for key, one in self._entries.items() if not one.calm and key not in self._busy]
        return max(0.0, self._clock() - min(waiting)) if waiting else 0.0

    def add(self, key: Key, after: float = 0.0, *, calm: bool = False) -> None:
        """Have `key` looked at `after` seconds from now, or earlier where that was asked for before."""
        due = self._clock() + max(0.0, after)
        known = self._entries.get(key)
        if known is not None:
            if known.due <= due and known.calm <= calm:
                return
            due, calm = min(known.due, due), known.calm and calm
        self._entries[key] = _Entry(due, calm)
        self._count += 1
        heapq.heappush(self._heaps[calm], (due, self._count, key))
        self._changed.set()

    def forget(self, key: Key) -> None:
        """The key is gone for good: drop what is remembered of it."""
        self._entries.pop(key, None)
        self._failures.pop(key, None)

    async def work(self, look: Callable[[Key], Awaitable[Again | None]], at_once: int) -> None:
        """Work on keys until cancelled, `at_once` at a time. `look` says when it should be called again, if ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                key, wait = (None, None) if len(self._busy) >= at_once else self._take()
                if key is not None:
                    group.create_task(self._work(key, look))
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), wait)

    async def _work(self, key: Key, look: Callable[[Key], Awaitable[Again | None]]) -> None:
        try:
            again = await look(key)
        finally:
            del self._busy[key]
            self._changed.set()
        if again is not None:
            self.add(key, again.seconds, calm=again.calm)

    def failed(self, key: Key, at_least: float = 0.0) -> float:
        """Seconds to wait after another failure of `key`."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(count - 1, 10))
        return max(at_least, wait * random.uniform(0.5, 1.0))

    def succeeded(self, key: Key) -> None:
        """Forget the failures of `key`."""
        self._failures.pop(key, None)

    def _take(self) -> tuple[Key | None, float | None]:
        """A key that is due and free, marked as busy, or the seconds until one may be."""
        key, wait = self._next(calm=False)
        calm = sum(self._busy.values())
        if key is not None or (calm >= CALM_BESIDE_OTHERS and calm < len(self._busy)):
            return key, wait
        key, later = self._next(calm=True)
        return key, min((one for one in (wait, later) if one is not None), default=None)

    def _next(self, *, calm: bool) -> tuple[Key | None, float | None]:
        """The same among the calm, or among the others."""
        heap, passed = self._heaps[calm], []
        found, wait = None, None
        while heap:
            due, _, key = heap[0]
            if self._entries.get(key) != _Entry(due, calm):
                heapq.heappop(heap)  # asked for earlier meanwhile, or forgotten
                continue
            if due > self._clock():
                wait = due - self._clock()
                break
            entry = heapq.heappop(heap)
            if key in self._busy:
                passed.append(entry)
                continue
            found = key
            del self._entries[key]
            self._busy[key] = calm
            break
        for entry in passed:
            heapq.heappush(heap, entry)
        return found, wait
