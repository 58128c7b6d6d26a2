"""Append-only JSON-lines files of records, one folder a key, that survive being killed at any instant.

A folder holds `manifest.json` (everything that the key was made of) and `records.jsonl` (one record a line). One
process at a time appends, held by a file lock; a last line without its line feed is what a killed process left, and is
dropped. It does not decide which records are wanted.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Generic, Protocol, Self, TypeVar

import click

from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.files import failures_as_errors, write_atomically

FIELD = "paths.store"
LOCK_POLL_SECONDS = 0.5
SYNC_SECONDS = 1.0


class JsonRecord(Protocol):
    """A record that can be written as a JSON line."""

    def to_json(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self: ...


R = TypeVar("R", bound=JsonRecord)


class RecordFile(Generic[R]):
    """The records of one key, open for appending. Use as a context manager."""

    def __init__(self, folder: Path, kind: type[R], manifest: dict[str, Any], beat: Callable[[], None]) -> None:
        self._folder, self._kind, self._manifest, self._beat = folder, kind, manifest, beat
        self._lock: IO[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._synced = 0.0
        self.records: list[R] = []
        """What the file held when it was opened, and what was appended since."""

    def __enter__(self) -> Self:
        with failures_as_errors(FIELD):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "lock").open("ab")
            self._wait_for_lock(self._lock)
            path = self._folder / "records.jsonl"
            if not (self._folder / "manifest.json").exists():
                write_atomically(self._folder / "manifest.json", json.dumps(self._manifest, indent=2) + "\n", FIELD)
            self._file = path.open("ab")
            whole = whole_length(path)
            if torn := path.stat().st_size - whole:
                os.truncate(path, whole)
                click.echo(
                    f"notice: {FIELD}: {path} ended with a torn line ({torn} bytes); it is cut off, and done again",
                    err=True,
                )
        self.records = read_records(self._folder, self._kind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with failures_as_errors(FIELD):
                os.fsync(self._file.fileno())
                self._file.close()
        if self._lock is not None:
            self._lock.close()  # closing releases the lock

    def append(self, records: Iterable[R]) -> None:
        """Add records; they outlive this process when this returns, and a power cut a second later."""
        if self._file is None:
            raise RuntimeError("the record file is not open")
        added = list(records)
        lines = "".join(json.dumps(record.to_json(), ensure_ascii=False) + "\n" for record in added)
        with failures_as_errors(FIELD):
            self._file.write(lines.encode("utf-8", errors="surrogatepass"))
            self._file.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        self.records.extend(added)

    def _wait_for_lock(self, lock: IO[bytes]) -> None:
        """Wait until no other evaluation appends here: it may be drawing just what is wanted."""
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self._beat()
                time.sleep(LOCK_POLL_SECONDS)


def whole_length(path: Path) -> int:
    """Bytes of the file up to and with its last line feed."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            if (found := file.read(end - start).rfind(b"\n")) >= 0:
                return start + found + 1
            end = start
    return 0


def read_records(folder: Path, kind: type[R]) -> list[R]:
    """The whole records of a key, or none when there is no such file. Raises EvaluationError for a damaged line."""
    path = folder / "records.jsonl"
    if not path.exists():
        return []
    records: list[R] = []
    lines: Sequence[bytes] = path.read_bytes()[: whole_length(path)].splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            records.append(kind.from_json(json.loads(line)))
        except (ValueError, TypeError) as error:
            remedy = "delete that line and give the same command again: it is drawn anew"
            raise EvaluationError(
                FIELD, f"line {number} of {path} is damaged ({error})", remedy, "StorageError"
            ) from None
    return records
