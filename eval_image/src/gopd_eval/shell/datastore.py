"""The data store: files of records by content, and for each data set an entry that says what was fetched and checked.

`sha256/<digest>/records.jsonl` holds a file, `sets/<name>.json` an entry. Files are put in whole and never changed;
whoever reads one reads all of it first to see that it is still what its name says. No network: see `fetching`.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gopd_api.benchmarks import entry_path, fetch_command
from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.files import failures_as_errors, write_atomically

FIELD = "paths.data"


@dataclass(frozen=True)
class SetEntry:
    """What the store holds of a data set."""

    name: str
    uri: str
    revision: str
    sha256: str
    bytes: int
    records: int
    licence: str
    origin: str
    """Where this copy came from: the address, or the file that was imported."""
    checks: str
    """What was checked when it was imported."""


class DataStore:
    """The store at a folder, which need not be there yet."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, name: str) -> SetEntry | None:
        """What is held of a data set, or None. Raises EvaluationError for an entry that cannot be read."""
        path = Path(entry_path(str(self.root), name))
        if not path.is_file():
            return None
        try:
            return SetEntry(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise EvaluationError(FIELD, f"{path} is damaged ({error})", self.remedy(name), "StorageError") from error

    def checked(self, name: str, field: str) -> Path:
        """The file of a data set, after reading all of it. Raises EvaluationError naming `field`."""
        entry = self.entry(name)
        if entry is None:
            raise EvaluationError(field, f"{self.root} does not hold {name}", self.remedy(name), "DataMissing")
        path = self.file(entry.sha256)
        if not path.is_file():
            raise EvaluationError(field, f"{path} of {name} is not there any more", self.remedy(name), "StorageError")
        with failures_as_errors(FIELD):
            found = file_digest(path)
        if found != entry.sha256:
            fault = f"{path} of {name} has changed since it was imported (sha256 {found[:16]}...)"
            raise EvaluationError(field, fault, self.remedy(name), "StorageError")
        return path

    def remedy(self, name: str) -> str:
        """What to do about a data set that is missing or damaged."""
        return f"get it with `{fetch_command(str(self.root), name)}`"

    def file(self, sha256: str) -> Path:
        """Where a file of this digest lies."""
        return self.root / "sha256" / sha256 / "records.jsonl"

    def partial(self, sha256: str) -> Path:
        """Where a file of this digest is written until it is whole."""
        return self.root / "partial" / f"{sha256}.part"

    def put(self, written: Path, sha256: str) -> None:
        """Take a whole file, which has this digest, into the store; it replaces a damaged one."""
        with failures_as_errors(FIELD):
            with written.open("rb") as file:
                os.fsync(file.fileno())
            place = self.file(sha256)
            place.parent.mkdir(parents=True, exist_ok=True)
            written.replace(place)

    def write_entry(self, entry: SetEntry) -> None:
        """Say what is held: last, when the file is there."""
        path = Path(entry_path(str(self.root), entry.name))
        write_atomically(path, json.dumps(asdict(entry), indent=2, ensure_ascii=False) + "\n", FIELD)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process at a time fetches into the store."""
        with failures_as_errors(FIELD):
            (self.root / "partial").mkdir(parents=True, exist_ok=True)
            lock = (self.root / "lock").open("ab")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def file_digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
