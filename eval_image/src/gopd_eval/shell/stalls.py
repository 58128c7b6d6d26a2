"""Ends a command that gives no sign of life: whoever hangs in an engine, in a collective or on a mount cannot do it.

Decides when silence is a stall, and ends the process; what is said about it is the command's. Limits: it is a thread,
so a hang that holds Python's lock is seen by nobody here; in a cluster the pod's own deadline ends it.
"""

import os
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
LAST_WORDS_SECONDS = 30.0
"""For what is said about the end: whatever hangs may hang that, too, as a volume does."""


class StallGuard:
    """A context that ends the process with `code` when its body gives no sign of life for `patience` seconds.

    `last_words(seconds)` is called before, and not waited for longer than LAST_WORDS_SECONDS. The end is not orderly:
    whatever hangs would hang an orderly one, too.
    """

    def __init__(self, watch: Watch, patience: float, last_words: Callable[[float], None], code: int) -> None:
        self._watch, self._patience, self._last_words, self._code = watch, patience, last_words, code
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
                self._end(silent)

    def _end(self, silent: float) -> None:
        saying = threading.Thread(target=self._last_words, args=(silent,), daemon=True)
        try:
            saying.start()
            saying.join(LAST_WORDS_SECONDS)
        finally:
            os._exit(self._code)
