"""From the spool to the run: oldest first, each entry acknowledged in the spool once MLflow has it.

Decides which failures mean "later" and which mean "never": an entry that MLflow calls invalid while the run is there,
or that fails again and again while MLflow answers otherwise, goes to `refused.jsonl`, so that it holds up nothing.
"""

from __future__ import annotations

import logging
from collections import Counter

from gopd_tracking.connection import said, shown
from gopd_tracking.entries import Metrics
from gopd_tracking.record import RefusedError, RunGoneError, RunRecord
from gopd_tracking.spool import Line, Sent, Spool, SpooledJob

log = logging.getLogger("gopd_tracking")

INVALID = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_REQUEST", "MALFORMED_REQUEST"}
BUSY = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
TRIES = 5
"""Failures of one entry, with MLflow answering otherwise, before it is refused."""


class Sender:
    """Sends one spool. Not for two threads at once."""

    def __init__(self, spool: Spool, job: SpooledJob) -> None:
        self._spool = spool
        self.record = RunRecord(job)
        self.sent = self._known(spool.sent())
        self.last_refusal = ""
        self._failures: Counter[tuple[str, int]] = Counter()

    def drain(self) -> bool:
        """Send until nothing is left. False when another process is sending this spool.

        Raises what MLflow raises when it cannot be reached; what was sent until then stays sent.
        """
        with self._spool.sending() as mine:
            if not mine:
                return False
            self.sent = self._known(self._spool.sent())
            while group := self._spool.next_group(self.sent):
                try:
                    self._send(group)
                except RunGoneError as gone:
                    # The spool still holds all of it, so a new run is written from the beginning.
                    log.warning("tracking: %s; the spool is sent again to a new run", gone)
                    self.sent = Sent(uri=self.sent.uri, refused=self.sent.refused)
        return True

    def _known(self, sent: Sent) -> Sent:
        uri = shown(self.record.uri)
        if sent.uri not in (None, uri):
            # Another address: what was sent went elsewhere, the new run starts with what comes now.
            sent = Sent(offsets=sent.offsets, refused=sent.refused)
        self.record.run_id = self.record.run_id or sent.run_id
        self.record.experiment_id = self.record.experiment_id or sent.experiment_id
        return sent.model_copy(update={"uri": uri})

    def _send(self, group: list[Line]) -> None:
        try:
            self._record(group)
        except RunGoneError:
            raise
        except Exception as error:
            if not isinstance(error, RefusedError) and not self._is_its_own_fault(group[0], error):
                raise
            if len(group) > 1:
                for line in group:
                    self._send([line])
                return
            self._refuse(group[0], str(error) if isinstance(error, RefusedError) else said(error))
        self._acknowledge(group[-1])

    def _record(self, group: list[Line]) -> None:
        marks = self.sent.marks.model_copy(deep=True)
        entry = group[0].entry
        if entry is None:
            raise RefusedError("the line cannot be read")
        if isinstance(entry, Metrics):
            self.record.points([line.entry for line in group if isinstance(line.entry, Metrics)], marks)
        else:
            self.record.apply(entry, marks)
        self.sent = self.sent.model_copy(update={"marks": marks})

    def _acknowledge(self, line: Line) -> None:
        self.sent = self.sent.model_copy(
            update={
                "offsets": self.sent.offsets | {line.segment: line.end},
                "run_id": self.record.run_id,
                "experiment_id": self.record.experiment_id,
            }
        )
        self._spool.set_sent(self.sent)

    def _refuse(self, line: Line, reason: str) -> None:
        log.warning("tracking: MLflow refuses an entry, kept in %s: %s", self._spool.folder / "refused.jsonl", reason)
        self._spool.refuse(line, reason)
        self.last_refusal = reason
        self.sent = self.sent.model_copy(update={"refused": self.sent.refused + 1})

    def _is_its_own_fault(self, line: Line, error: Exception) -> bool:
        code = getattr(error, "error_code", None)
        if code in BUSY or not self.record.alive():
            return False
        if code in INVALID:
            return True
        self._failures[line.segment, line.end] += 1
        return self._failures[line.segment, line.end] >= TRIES
