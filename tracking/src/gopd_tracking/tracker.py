"""What a trainer and an evaluation call.

A call appends to the spool and returns; `delivery` sends. A call never raises for a reason that lies in MLflow, in the
disk, or in a value that is no number: what is not taken is noted in a tag of the run, and logged once.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gopd_api.requests import TrackingRequest
from gopd_tracking import connection, values
from gopd_tracking.delivery import Delivery
from gopd_tracking.entries import (
    AnyEntry,
    Attached,
    Checkpoint,
    Ended,
    FileArtifact,
    Metrics,
    Note,
    Params,
    RunStatus,
    TableArtifact,
    Tags,
    TextArtifact,
)
from gopd_tracking.sender import Sender
from gopd_tracking.spool import Spool, SpooledJob

log = logging.getLogger("gopd_tracking")

ARTIFACT_BYTES = 16_000_000
"""Bigger files are not copied to MLflow; their path is recorded."""
REFUSED_TAG = "gopd.refused"
CUT_TAG = "gopd.cut"
LARGE_TAG = "gopd.artifactPaths"


class Tracker:
    """The job's run, as one process writes to it. Made by `attach`; without a delivery it keeps nothing."""

    def __init__(self, spool: Spool | None, delivery: Delivery | None, healthy: bool = True, reason: str = "") -> None:
        self._spool = spool
        self._delivery = delivery
        self._healthy = healthy
        self._reason = reason
        self._noted: set[tuple[str, str]] = set()
        self._closed = False

    @classmethod
    def attach(cls, tracking: TrackingRequest, uid: str, spool: Path) -> "Tracker":
        """Begin an attempt: the job's run is created, or found and set RUNNING again; in the background.

        `spool` is a folder of the job's own that outlives the process. Without `tracking.uri`, or with a folder that
        cannot be written, the tracker takes every call and keeps nothing; `healthy_reason` says why.
        """
        tracker = cls.begin(tracking, uid, spool)
        tracker._append(Attached(time_ms=_now_ms()))
        return tracker

    @classmethod
    def begin(cls, tracking: TrackingRequest, uid: str, folder: Path) -> "Tracker":
        """A tracker of the run as it is: no attempt begins, an ended run stays ended."""
        if tracking.uri is None:
            return cls(None, None, reason="tracking is off: tracking.uri is not set")
        job = SpooledJob(uid=uid, tracking=tracking)
        try:
            spool = Spool(folder)
            spool.set_job(job)
            delivery = Delivery(spool.new_segment(), Sender(spool, job))
        except (OSError, ValueError) as error:
            reason = f"nothing is recorded: the spool {folder} cannot be used ({error})"
            log.warning("tracking: %s", reason)
            return cls(None, None, healthy=False, reason=reason)
        try:
            connection.import_mlflow(tracking.uri)
        except ImportError as error:
            delivery.never(f"MLflow cannot be imported ({error}); entries stay in {folder}")
            log.warning("tracking: %s", delivery.reason)
        else:
            delivery.start()
        return cls(spool, delivery)

    @property
    def healthy(self) -> bool:
        """False while what is logged does not reach MLflow. True without `tracking.uri`: nothing is wrong."""
        return self._delivery.healthy if self._delivery else self._healthy

    @property
    def healthy_reason(self) -> str:
        """One sentence: where the run is recorded, or why it is not."""
        return self._delivery.reason if self._delivery else self._reason

    @property
    def run_id(self) -> str | None:
        """The run's id; None until MLflow has answered once."""
        return self._delivery.sender.sent.run_id if self._delivery else None

    @property
    def experiment_id(self) -> str | None:
        """The experiment's id; None until MLflow has answered once."""
        return self._delivery.sender.sent.experiment_id if self._delivery else None

    @property
    def url(self) -> str | None:
        """The run's page, for an http address."""
        if not (self._delivery and self.experiment_id and self.run_id):
            return None
        return connection.page(self._delivery.place, self.experiment_id, self.run_id)

    @property
    def last_refusal(self) -> str:
        """Why this process's last refused entry was refused; empty when none was."""
        return self._delivery.sender.last_refusal if self._delivery else ""

    @property
    def left(self) -> int:
        """Entries in the spool that MLflow does not have yet; reads the files."""
        return self._spool.left() if self._spool else 0

    def metrics(self, step: int, metrics: Mapping[str, object]) -> None:
        """Log points of one step. What the run already has at that step is not logged again; the first value counts."""
        taken, refused = values.numbers(metrics)
        if taken:
            self._append(Metrics(time_ms=_now_ms(), step=step, values=taken))
        self._note(REFUSED_TAG, "metric", refused)

    def params(self, params: Mapping[str, object]) -> None:
        """Log parameters (nested ones as `outer.inner`); one that the run has with another value becomes drift."""
        taken, cut, refused = values.texts(values.flatten(params), values.PARAM_LIMIT)
        self._append(Params(time_ms=_now_ms(), values=taken))
        self._note(CUT_TAG, "parameter", cut)
        self._note(REFUSED_TAG, "parameter", refused)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a later value replaces an earlier one."""
        taken, cut, refused = values.texts(tags, values.TAG_LIMIT)
        self._append(Tags(time_ms=_now_ms(), values=taken))
        self._note(CUT_TAG, "tag", cut)
        self._note(REFUSED_TAG, "tag", refused)

    def artifact(self, name: str, text: str) -> None:
        """Keep `text` as the artifact `name` (may hold folders: `evaluations/end/report.json`)."""
        size = len(text.encode())
        if fault := _name_fault(name):
            self._note(REFUSED_TAG, "artifact", {name: fault})
        elif size > ARTIFACT_BYTES:
            self._note(REFUSED_TAG, "artifact", {name: f"{size} bytes, at most {ARTIFACT_BYTES} are kept"})
        else:
            self._append(TextArtifact(time_ms=_now_ms(), name=name, text=text))

    def table(self, name: str, columns: Mapping[str, Sequence[str | float | None]]) -> None:
        """Keep columns of equal length as the table `name`, which ends in .json; MLflow shows and compares it."""
        given = {key: list(values) for key, values in columns.items()}
        size = sum(len(str(value).encode(errors="replace")) for column in given.values() for value in column)
        if fault := _name_fault(name):
            self._note(REFUSED_TAG, "artifact", {name: fault})
        elif size > ARTIFACT_BYTES:
            self._note(REFUSED_TAG, "artifact", {name: f"{size} bytes, at most {ARTIFACT_BYTES} are kept"})
        else:
            self._append(TableArtifact(time_ms=_now_ms(), name=name, columns=given))

    def artifact_file(self, path: Path, name: str) -> None:
        """Keep a copy of the file as the artifact `name`; of a file above 16 MB only the path is recorded."""
        try:
            size = path.stat().st_size
        except OSError as error:
            self._note(REFUSED_TAG, "artifact", {name: f"{path}: {error.strerror}"})
            return
        if fault := _name_fault(name):
            self._note(REFUSED_TAG, "artifact", {name: fault})
        elif size > ARTIFACT_BYTES:
            self._note(LARGE_TAG, "file", {name: f"{path} ({size} bytes)"})
        else:
            self._append(FileArtifact(time_ms=_now_ms(), name=name, path=str(path.absolute())))

    def checkpoint(
        self,
        step: int,
        path: Path,
        export: Path | None = None,
        digest: str | None = None,
        metrics: Mapping[str, object] | None = None,
    ) -> None:
        """List a checkpoint as a LoggedModel; again for the same step: what is new is added."""
        taken, refused = values.numbers(metrics or {})
        self._append(
            Checkpoint(
                time_ms=_now_ms(),
                step=step,
                path=str(path),
                export=str(export) if export else None,
                digest=digest,
                metrics=taken,
            )
        )
        self._note(REFUSED_TAG, "metric", refused)

    def flush(self, timeout: float) -> bool:
        """Wait until MLflow has everything; False after `timeout` seconds."""
        return self._delivery.flush(timeout) if self._delivery else True

    def close(self, status: RunStatus | None, timeout: float = 15.0) -> int:
        """Set the run's status, unless it is left to another process (None), and send what can be sent.

        Gives up once nothing has got through for `timeout` seconds, and after four times as long. Returns the entries
        left in the spool; `python -m gopd_tracking send SPOOL` sends them later. Closing again does nothing but count.
        """
        if self._delivery and self._spool and not self._closed:
            self._closed = True
            if status is not None:
                self._append(Ended(time_ms=_now_ms(), status=status))
            self._delivery.close(timeout)
            folder, left = self._spool.folder, self.left
            if left:
                log.warning("tracking: %d entries left; `python -m gopd_tracking send %s` sends them", left, folder)
        return self.left

    def _append(self, entry: AnyEntry) -> None:
        if self._delivery:
            self._delivery.append(entry)

    def _note(self, tag: str, kind: str, facts: Mapping[str, str]) -> None:
        news = {
            f"{kind} {key[:200]}": fact
            for key, fact in facts.items()
            if (tag, f"{kind} {key[:200]}") not in self._noted
        }
        if news:
            self._noted |= {(tag, key) for key in news}
            log.warning("tracking: %s: %s", tag, news)
            self._append(Note(time_ms=_now_ms(), tag=tag, facts=news))


def _name_fault(name: str) -> str:
    try:
        clean = values.name(name)
    except ValueError as error:
        return str(error)
    return "" if clean == name else f"MLflow cannot take this name; use {clean}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
