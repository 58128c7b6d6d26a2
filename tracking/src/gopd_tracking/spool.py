"""The spool: a folder that holds everything logged, and how far it was sent.

    job.json               which run it belongs to
    entries-000001.jsonl   one file for each attempt, appended to by that attempt alone
    sent.json              bytes of each file that MLflow acknowledged, the run's id, the marks
    refused.jsonl          entries that MLflow refused for good, with the reason
    sender.lock            held by the one process that sends

A line counts once its newline is there, so the torn last line of a killed attempt is passed over. This module moves
bytes; what an entry does to a run is not known here.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from gopd_api.requests import TrackingRequest
from gopd_tracking.entries import AnyEntry, Metrics, parse
from gopd_tracking.locks import locked
from gopd_tracking.marks import Marks
from gopd_tracking.values import METRICS_PER_BATCH

READ_BYTES = 128 * 1024
KEPT_LINES = 100_000


class SpooledJob(BaseModel):
    """The run that a spool belongs to."""

    uid: str
    tracking: TrackingRequest


class Sent(BaseModel):
    """How far the spool was sent, and to which run."""

    uri: str | None = None
    experiment_id: str | None = None
    run_id: str | None = None
    offsets: dict[str, int] = {}
    marks: Marks = Marks()
    refused: int = 0


@dataclass(frozen=True)
class Line:
    """A whole line: its file, the byte behind it, and its entry (None when it cannot be read)."""

    segment: str
    end: int
    raw: bytes
    entry: AnyEntry | None


class Segment:
    """The file that this process appends to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self._lock = threading.Lock()
        self._kept: list[bytes] = []
        self._torn = False
        self._lost = 0
        self.fault = ""
        """Why lines wait in memory; empty while the file takes them."""

    def append(self, entry: AnyEntry) -> None:
        """Write the entry; with a full disk it is kept in memory and written by a later call."""
        with self._lock:
            self._kept.append(entry.model_dump_json().encode() + b"\n")
            self._write()

    def sync(self) -> None:
        """Bring what was written to the disk, and try again what was not."""
        with self._lock:
            self._write()
        os.fsync(self._file)

    def _write(self) -> None:
        while self._kept:
            line = b"\n" + self._kept[0] if self._torn else self._kept[0]
            try:
                written = os.write(self._file, line)
            except OSError as error:
                # Training goes on without its log; the reason is shown by the tracker's health.
                if len(self._kept) > KEPT_LINES:
                    self._kept.pop(0)
                    self._lost += 1
                lost = f", {self._lost} lost" if self._lost else ""
                self.fault = f"{self.path}: {error.strerror}; {len(self._kept)} entries wait in memory{lost}"
                return
            self._torn = written < len(line)
            if not self._torn:
                self._kept.pop(0)
                self.fault = f"{self._lost} entries were lost while {self.path} was full" if self._lost else ""


class Spool:
    """A spool folder, made when it is missing; raises OSError where that cannot be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def new_segment(self) -> Segment:
        """A file of this process's own, behind those of earlier attempts."""
        number = len(self.segments()) + 1
        while True:
            try:
                return Segment(self.folder / f"entries-{number:06}.jsonl")
            except FileExistsError:
                number += 1

    def segments(self) -> list[Path]:
        """The files of all attempts, oldest first."""
        return sorted(self.folder.glob("entries-*.jsonl"))

    def job(self) -> SpooledJob:
        """What the spool belongs to; raises FileNotFoundError when the folder is no spool."""
        return SpooledJob.model_validate_json((self.folder / "job.json").read_text())

    def set_job(self, job: SpooledJob) -> None:
        """Remember the run; raises ValueError when the folder is another job's."""
        try:
            other = self.job().uid
        except FileNotFoundError:
            other = job.uid
        if other != job.uid:
            raise ValueError(f"the spool {self.folder} belongs to job {other}, not to {job.uid}; use another folder")
        _write_whole(self.folder / "job.json", job.model_dump_json(by_alias=True, indent=2))

    def sent(self) -> Sent:
        """How far it was sent; from the start when that was never written or cannot be read."""
        try:
            return Sent.model_validate_json((self.folder / "sent.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            # Sending everything again is harmless: points keep their timestamps.
            return Sent()

    def set_sent(self, sent: Sent) -> None:
        """Write it so that a crash leaves the old or the new one."""
        _write_whole(self.folder / "sent.json", sent.model_dump_json())

    def refuse(self, line: Line, reason: str) -> None:
        """Keep an entry that cannot be sent."""
        with (self.folder / "refused.jsonl").open("a") as file:
            file.write(json.dumps({"reason": reason, "entry": line.raw.decode(errors="replace")}) + "\n")

    def sending(self) -> AbstractContextManager[bool]:
        """A context that yields True when this process alone may send now."""
        return locked(self.folder / "sender.lock")

    def next_group(self, sent: Sent) -> list[Line]:
        """The oldest lines not sent: metrics up to one batch, or one line of another kind; empty when all are sent."""
        for segment in self.segments():
            group: list[Line] = []
            points = 0
            for line in self._lines(segment, sent.offsets.get(segment.name, 0)):
                if not isinstance(line.entry, Metrics):
                    return group or [line]
                points += len(line.entry.values)
                if group and points > METRICS_PER_BATCH:
                    return group
                group.append(line)
            if group:
                return group
        return []

    def left(self) -> int:
        """Entries that wait."""
        sent = self.sent()
        return sum(1 for path in self.segments() for _ in _raw_lines(path, sent.offsets.get(path.name, 0)))

    def _lines(self, segment: Path, offset: int) -> Iterator[Line]:
        for raw in _raw_lines(segment, offset):
            offset += len(raw)
            try:
                entry = parse(raw)
            except ValidationError:
                entry = None
            yield Line(segment.name, offset, raw, entry)


def _raw_lines(path: Path, offset: int) -> Iterator[bytes]:
    if path.stat().st_size <= offset:
        return
    with path.open("rb", buffering=READ_BYTES) as file:
        file.seek(offset)
        for raw in file:
            if raw.endswith(b"\n"):
                yield raw


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
