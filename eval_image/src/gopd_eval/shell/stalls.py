"""Ends a command that gives no sign of life: whoever hangs in an engine, in a collective or on a mount cannot do it.

Decides when silence is a stall, and nothing else. Limits: it is a thread, so a hang that holds Python's lock is seen
by nobody here; in a cluster the pod's own deadline ends it.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from gopd_eval.shell.progress import Watch

LOADING_FACTOR = 4
"""Models are fetched and loaded without a sign of life between; that takes longer than a step of an engine."""
LONGEST_LOOK = 5.0
"""Seconds between two looks."""


class StallGuard:
    """A context: while its body runs, `stalled(seconds)` is called once when there was no sign of life for so long."""

    def __init__(self, watch: Watch, patience: float, stalled: Callable[[float], None]) -> None:
        self._watch, self._patience, self._stalled = watch, patience, stalled
        self._look = min(LONGEST_LOOK, patience / 4)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._guard, name="stall guard", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()

    def _guard(self) -> None:
        signs, silent, at = self._watch.signs, 0.0, time.monotonic()
        while not self._done.wait(self._look):
            now = time.monotonic()
            # A process that was suspended as a whole was not silent meanwhile.
            silent += min(now - at, 2 * self._look)
            if self._watch.signs != signs:
                signs, silent = self._watch.signs, 0.0
            at = now
            if silent > self._patience * (LOADING_FACTOR if self._watch.phase == "loading" else 1):
                self._stalled(silent)
                return
