"""The queue of jobs that should be looked at: each key once, never by two workers, later when it failed.

A key that is added while it is being worked on is worked on again afterwards. A failed look comes back after a wait
that doubles, up to half a minute, with some chance in it, so that many jobs do not come back together. It knows
nothing of jobs.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0


class KeyQueue(Generic[Key]):
    """Keys with the time at which each is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._count = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Keys that are due now and not being worked on."""
        now = self._clock()
        return sum(1 for due in self._due.values() if due <= now)

    def oldest(self) -> float:
        """Seconds that the longest waiting key is overdue; 0 when none is."""
        waiting = [due for key, due in self._due.items() if key not in self._busy]
        return max(0.0, self._clock() - min(waiting)) if waiting else 0.0

    def add(self, key: Key, after: float = 0.0) -> None:
        """Have `key` looked at `after` seconds from now, or earlier where that was asked for before."""
        due = self._clock() + max(0.0, after)
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._changed.set()

    def forget(self, key: Key) -> None:
        """The key is gone for good: drop what is remembered of it."""
        self._due.pop(key, None)
        self._failures.pop(key, None)

    async def work(self, look: Callable[[Key], Awaitable[float | None]]) -> None:
        """Work on keys until cancelled. `look` returns seconds until the next look, or None; it must not raise."""
        while True:
            key = await self._take()
            try:
                again = await look(key)
            finally:
                self._busy.discard(key)
            if again is not None:
                self.add(key, again)
            self._changed.set()

    def failed(self, key: Key, at_least: float = 0.0) -> float:
        """Seconds to wait after another failure of `key`."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(count - 1, 10))
        return max(at_least, wait * random.uniform(0.5, 1.0))

    def succeeded(self, key: Key) -> None:
        """Forget the failures of `key`."""
        self._failures.pop(key, None)

    async def _take(self) -> Key:
        while True:
            key, wait = self._next()
            if key is not None:
                return key
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def _next(self) -> tuple[Key | None, float | None]:
        """A key that is due and free, or the seconds until one may be."""
        passed = []
        found, wait = None, None
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # asked for earlier meanwhile, or forgotten
                continue
            if due > self._clock():
                wait = due - self._clock()
                break
            entry = heapq.heappop(self._heap)
            if key in self._busy:
                passed.append(entry)
                continue
            found = key
            del self._due[key]
            self._busy.add(key)
            break
        for entry in passed:
            heapq.heappush(self._heap, entry)
        return found, wait
