"""Tells the cluster how the training stands: the newest progress, and at last the report, in the job's one ConfigMap.

It decides when to write and when not to: seldom, at once where it matters, and never over a newer attempt. It has a
thread of its own, so that an API server that is slow or gone does not hold the training up: the newest state is kept
and sent when it is back. Each kind of trouble is said once.
"""

import http
import threading
import time
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from gopd_api.endings import published_progress, published_report
from gopd_api.reports import Progress, TrainReport
from gopd_trainer.shell.config_map import ConfigMap, RefusedError, Seen, UnreachableError

PROGRESS: Final = "progress"
REPORT: Final = "report"
"""Keys of the ConfigMap's data."""
UNREACHABLE: Final = "unreachable"
"""The trouble that is nobody's refusal."""
QUIET_SECONDS = 5.0
"""Least time between two writes that are not urgent."""
RETRY_SECONDS = 10.0
LAST_RETRY_SECONDS = 1.0
"""Time until the next try; shorter once the report waits and the training is over."""
REPORT_PATIENCE = 60.0
OUTAGE_PATIENCE = 900.0
"""How long the report is tried for: where the API server refuses it, and for how much longer where none answers, which
says nothing about the job. A report that does not arrive costs an attempt."""
FIRST_PATIENCE = 3.0
"""How long the start waits for the first answer: a stale attempt should touch nothing."""


class Publisher:
    """Publishes one attempt. `superseded` is set when a newer attempt has written: this one must end."""

    def __init__(
        self, config_map: ConfigMap, attempt: int, say: Callable[[str], None], quiet: float = QUIET_SECONDS
    ) -> None:
        self._config_map, self._attempt, self._say, self._quiet = config_map, attempt, say, quiet
        self.superseded = threading.Event()
        self._changed = threading.Condition()
        self._progress: Progress | None = None
        self._report: TrainReport | None = None
        self._given = self._sent = 0
        self._urgent = self._over = False
        self._written = 0.0
        self._seen: Seen | None = None
        self._tried = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def begin(self, progress: Progress, patience: float = FIRST_PATIENCE) -> bool:
        """Start, and wait shortly for the first answer; false when a newer attempt has written."""
        self.progress(progress)
        self._thread.start()
        self._tried.wait(patience)
        return not self.superseded.is_set()

    def progress(self, progress: Progress) -> None:
        """The newest state; another phase and other checkpoints are written at once. Never waits."""
        with self._changed:
            last, self._progress = self._progress, progress
            if last is None or (last.phase, last.checkpoints) != (progress.phase, progress.checkpoints):
                self._urgent = True
            self._given += 1
            self._changed.notify_all()

    def finish(self, report: TrainReport, patience: float = REPORT_PATIENCE, outage: float = OUTAGE_PATIENCE) -> bool:
        """Publish the report with the newest progress; whether it arrived.

        It is tried for `patience` seconds, and for `outage` more when nobody answers.
        """

        def done() -> bool:
            return self._sent == self._given or self.superseded.is_set()

        with self._changed:
            self._report, self._urgent = report, True
            self._given += 1
            self._changed.notify_all()
            if not self._changed.wait_for(done, patience) and self._trouble == UNREACHABLE:
                self._changed.wait_for(done, outage)
            arrived = self._sent == self._given
            self._over = True
            self._changed.notify_all()
        if not arrived and not self.superseded.is_set():
            self._say(f"the report did not reach ConfigMap {self._config_map.name}; it is in the report's file")
        return arrived

    def _run(self) -> None:
        next_try = 0.0
        while self._wait(next_try):
            worked = self._try()
            self._tried.set()
            if self.superseded.is_set():
                with self._changed:
                    self._changed.notify_all()
                return
            next_try = 0.0 if worked else time.monotonic() + RETRY_SECONDS
            self._written = time.monotonic()

    def _wait(self, next_try: float) -> bool:
        """Wait until there is something to write and it is time to; false when all is over."""
        with self._changed:
            while not self._over:
                pause = self._pause(next_try)
                if pause is not None and pause <= 0:
                    return True
                self._changed.wait(pause)
            return False

    def _pause(self, next_try: float) -> float | None:
        """Seconds until the next write; None when there is nothing to write."""
        if self._sent == self._given:
            return None
        now = time.monotonic()
        if next_try:
            limit = self._written + LAST_RETRY_SECONDS if self._report else next_try
            return min(next_try, limit) - now
        return 0.0 if self._urgent else self._written + self._quiet - now

    def _try(self) -> bool:
        """One write of the newest state; false when it has to be tried again."""
        with self._changed:
            given, progress, report, self._urgent = self._given, self._progress, self._report, False
        assert progress is not None
        data = {PROGRESS: published_progress(progress), REPORT: None if report is None else published_report(report)}
        try:
            self._write(data)
        except RefusedError as error:
            self._explain(f"HTTP {error.status}", f"{error}; {remedy(error.status)}")
            return False
        except UnreachableError as error:
            self._explain(UNREACHABLE, f"no answer ({error}); training goes on, the newest state is sent later")
            return False
        if self.superseded.is_set():
            return False
        if self._trouble is not None:
            self._say(f"progress reaches ConfigMap {self._config_map.name} again")
            self._trouble = None
        with self._changed:
            self._sent = given
            self._changed.notify_all()
        return True

    def _write(self, data: dict[str, str | None]) -> None:
        """Patch what was last seen. Whoever else has written since is looked at first: it may be a newer attempt."""
        for _ in range(3):
            if self._seen is None:
                self._seen = self._config_map.read()
                if (newer := attempt_in(self._seen)) > self._attempt:
                    self._say(f"attempt {newer} has begun: this one, attempt {self._attempt}, ends without a trace")
                    self.superseded.set()
                    return
            try:
                self._seen = self._config_map.patch(data, self._seen.version)
                return
            except RefusedError as error:
                self._seen = None
                if error.status != http.HTTPStatus.CONFLICT:
                    raise
            except UnreachableError:
                self._seen = None  # it may have been written all the same
                raise
        raise RefusedError(http.HTTPStatus.CONFLICT, "somebody else writes all the time")

    def _explain(self, kind: str, text: str) -> None:
        if kind != self._trouble:
            self._trouble = kind
            self._say(f"progress does not reach ConfigMap {self._config_map.name}: {text}")


def attempt_in(seen: Seen) -> int:
    """Number of the attempt whose progress was seen; 0 without one."""
    try:
        return Progress.model_validate_json(seen.data.get(PROGRESS, "")).attempt
    except ValidationError:
        return 0


def remedy(status: int) -> str:
    """What to do about a refusal."""
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return "let the pod's service account get and patch this ConfigMap (a Role and a RoleBinding in its namespace)"
    if status == http.HTTPStatus.NOT_FOUND:
        return "it is made by the operator before the training: look whether the job was deleted"
    return "it is tried again"
