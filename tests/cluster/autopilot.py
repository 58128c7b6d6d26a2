"""A background thread that answers what appears on the API server, each thing once, some time after it appeared.

Decides how objects are followed (list and watch, over restarts of the API server) and when an answer is due. What the
answer is, a function of the object decides.
"""

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.cluster.api import Api, ApiError, Document, Kind
from urllib3.exceptions import HTTPError

RETRY_AFTER = 0.3
ATTEMPTS = 100


@dataclass(frozen=True)
class Action:
    """What to do once for an object: `name` tells one action on it from another."""

    name: str
    delay: float
    run: Callable[[], object]


class Autopilot:
    """Use it as a context. `failures` holds what could not be done, in words."""

    def __init__(
        self,
        api: Api,
        kind: Kind,
        namespace: str,
        react: Callable[[Document], Action | None],
        *,
        labels: str = "",
        threads: int = 4,
    ) -> None:
        """`namespace` may be empty: all of them."""
        self.api, self.kind, self.namespace, self.react, self.labels = api, kind, namespace, react, labels
        self.failures: list[str] = []
        self.done = 0
        self._seen: set[tuple[str, str]] = set()
        self._due: list[tuple[float, int, Action, int]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._follow, daemon=True)]
        self._threads += [threading.Thread(target=self._act, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    def _follow(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(ApiError, HTTPError):
                query: Document = {"labelSelector": self.labels} if self.labels else {}
                listed = self.api.request("GET", self.kind.path(self.namespace), **query)
                for found in listed["items"]:
                    self._consider(found)
                version = listed["metadata"]["resourceVersion"]
                # Short watches: the thread sees soon that it shall end.
                while not self._ended.is_set():
                    version = self._watch(version)
            self._ended.wait(0.2)

    def _watch(self, version: str) -> str:
        for event, found in self.api.watch(self.kind, self.namespace, version=version, labels=self.labels, seconds=2):
            if event == "ERROR":
                raise ApiError(int(found.get("code", 410)), "")
            version = found["metadata"]["resourceVersion"]
            if event in ("ADDED", "MODIFIED"):
                self._consider(found)
            if self._ended.is_set():
                break
        return version

    def _consider(self, found: Document) -> None:
        action = self.react(found)
        if action is None or (key := (found["metadata"]["uid"], action.name)) in self._seen:
            return
        self._seen.add(key)
        self._plan(action, action.delay, 1)

    def _plan(self, action: Action, delay: float, attempt: int) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + delay, next(self._numbers), action, attempt))
            self._changed.notify()

    def _act(self) -> None:
        while (due := self._next()) is not None:
            action, attempt = due
            try:
                action.run()
                self.done += 1
            except (ApiError, HTTPError) as error:
                gone = isinstance(error, ApiError) and error.status == 404
                if not gone and attempt < ATTEMPTS:
                    self._plan(action, RETRY_AFTER, attempt + 1)
                elif not gone:
                    self.failures.append(f"{action.name}: {error}")

    def _next(self) -> tuple[Action, int] | None:
        """The next action when it is due; None at the end."""
        with self._changed:
            while not self._ended.is_set():
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    _, _, action, attempt = heapq.heappop(self._due)
                    return action, attempt
                self._changed.wait(left)
        return None
