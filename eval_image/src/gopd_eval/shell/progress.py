"""Signs of life and requests to stop: the progress file, and SIGTERM or SIGINT noticed between two steps.

`beat` is called often and from everywhere; it writes at most once a second. Signals only set a flag, so that no write
is ever interrupted halfway.
"""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Literal

from gopd_api.reports import EvalProgress
from gopd_eval.core.errors import StoppedError
from gopd_eval.shell.files import write_atomically

Phase = Literal["loading", "generating", "grading", "comparing", "finished", "failed"]
WRITE_SECONDS = 1.0


class Watch:
    """What is being done now, and whether to stop."""

    def __init__(self, path: Path, request_digest: str) -> None:
        self._path, self._digest = path, request_digest
        self._stopped_by: str | None = None
        self._written = 0.0
        self.phase: Phase = "loading"
        self.signs = 0
        """Signs of life so far."""
        self._subject: str | None = None
        self._task: str | None = None
        self._done = self._total = self._done_before = 0
        self._began = time.monotonic()

    def listen(self) -> None:
        """From now on SIGTERM and SIGINT ask to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopped_by = signal.Signals(number).name

    def at(
        self, phase: Phase, subject: str | None = None, task: str | None = None, total: int = 0, done: int = 0
    ) -> None:
        """Enter a part of the work; written at once."""
        self.phase, self._subject, self._task = phase, subject, task
        self._done, self._total = done, total
        self._began, self._done_before = time.monotonic(), done
        self.beat(force=True)

    def advance(self, count: int) -> None:
        """So many more samples are done."""
        self._done += count
        self.beat()

    def beat(self, force: bool = False) -> None:
        """A sign of life. Raises StoppedError when the process was asked to stop."""
        self.signs += 1
        now = time.monotonic()
        if force or now - self._written >= WRITE_SECONDS:
            self._written = now
            progress = EvalProgress(
                request_digest=self._digest,
                phase=self.phase,
                subject=self._subject,
                task=self._task,
                done=self._done,
                total=self._total,
                seconds_left=self._seconds_left(now),
                heartbeat=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            write_atomically(self._path, progress.to_json(), "paths.progress")
        if self._stopped_by is not None:
            raise StoppedError(self._stopped_by)

    def _seconds_left(self, now: float) -> float | None:
        """By the pace since this part began: what had been done before took no time."""
        done = self._done - self._done_before
        if done <= 0 or self._total <= self._done:
            return None
        return round((now - self._began) / done * (self._total - self._done), 1)
