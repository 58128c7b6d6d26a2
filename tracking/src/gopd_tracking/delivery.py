"""The background thread between the spool and MLflow.

Decides when to send, how long to wait after a failure, and what is said about health. What is sent is the spool's
content alone: the thread can die at any point and another process goes on.
"""

import logging
import random
import threading
import time

from gopd_tracking.connection import said, shown
from gopd_tracking.entries import AnyEntry
from gopd_tracking.sender import Sender
from gopd_tracking.spool import Segment

log = logging.getLogger("gopd_tracking")

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
CLOSING_WAIT_SECONDS = 0.5
CLOSING_AT_MOST = 4
"""Closing takes so many times its patience at the most: whoever closes may hold machines."""
PROGRESS_SECONDS = 0.5
"""How often closing looks whether anything got through."""


class Delivery:
    """Appends entries to `segment` and has `sender` send them, by one thread that `start` starts."""

    def __init__(self, segment: Segment, sender: Sender) -> None:
        self.segment = segment
        self.sender = sender
        self.place = shown(sender.record.uri)
        self._healthy = True
        self._reason = f"connecting to {self.place}"
        self._wake = threading.Condition()
        self._appended = 0
        self._done = 0
        self._closing = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send. The thread is a daemon: a process that ends without closing loses nothing from the spool."""
        self._thread = threading.Thread(target=self._run, name="gopd-tracking", daemon=True)
        self._thread.start()

    def never(self, reason: str) -> None:
        """Say why `start` is not called; entries stay in the spool."""
        self._healthy, self._reason = False, reason

    @property
    def healthy(self) -> bool:
        """False while entries do not reach MLflow, or not even the spool."""
        return self._healthy and not self.segment.fault

    @property
    def reason(self) -> str:
        """One sentence on health."""
        refused, last = self.sender.sent.refused, self.sender.last_refusal
        because = f", the last because: {last}" if last else ""
        return (self.segment.fault or self._reason) + (
            f"; {refused} entries were refused and are kept in refused.jsonl{because}" if refused else ""
        )

    def append(self, entry: AnyEntry) -> None:
        """Put the entry into the spool and wake the thread."""
        self.segment.append(entry)
        with self._wake:
            self._appended += 1
            self._wake.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything appended was sent; False after `timeout` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: self._done == self._appended, timeout)

    def close(self, timeout: float) -> None:
        """Send what can be sent, trying at once and often; stop once nothing has got through for `timeout` seconds.

        A backlog that goes on getting through ends it, too, after CLOSING_AT_MOST times as long.
        """
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        sent, since = self.sender.sent.offsets, time.monotonic()
        latest = since + CLOSING_AT_MOST * timeout
        while self._thread and self._thread.is_alive():
            if (left := min(since + timeout, latest) - time.monotonic()) <= 0:
                break
            self._thread.join(min(PROGRESS_SECONDS, left))
            if self.sender.sent.offsets != sent:
                sent, since = self.sender.sent.offsets, time.monotonic()
        with self._wake:
            self._stopped = True
            self._wake.notify_all()

    def _run(self) -> None:
        failures = 0
        while not self._stopped:
            with self._wake:
                target = self._appended
            failures = 0 if self._attempt() else failures + 1
            with self._wake:
                if failures:
                    self._wait_to_retry(failures)
                    continue
                self._done = target
                self._wake.notify_all()
                if self._closing and self._done == self._appended:
                    return
                self._wake.wait_for(lambda: self._done < self._appended or self._closing or self._stopped)

    def _wait_to_retry(self, failures: int) -> None:
        closing = self._closing
        longest = CLOSING_WAIT_SECONDS if closing else LONGEST_WAIT_SECONDS
        wait = min(longest, FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 10)) * random.uniform(0.75, 1.25)
        self._wake.wait_for(lambda: self._stopped or self._closing != closing, wait)

    def _attempt(self) -> bool:
        began = time.monotonic()
        folder = self.segment.path.parent
        try:
            self.segment.sync()
            mine = self.sender.drain()
        except Exception as error:  # noqa: BLE001 - nothing may end this thread; the reason is kept, and tried again
            reason = f"MLflow at {self.place} cannot be written ({said(error)}); entries wait in {folder}"
            if self._healthy:
                log.warning("tracking: %s", reason)
            self._healthy, self._reason = False, reason
            return False
        if not self._healthy:
            log.warning("tracking: MLflow at %s answers again, sent in %.1f s", self.place, time.monotonic() - began)
        self._healthy = True
        self._reason = f"recorded at {self.place}" if mine else f"another process sends {folder}"
        return mine
