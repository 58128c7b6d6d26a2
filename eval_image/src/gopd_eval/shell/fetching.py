"""Data sets from where they are published, or from a file at hand, into the data store.

A download goes on where a broken one stopped; what it comes to must have the pinned digest, and is then read, counted
and checked before the store says that it is there. Redirects are followed as urllib does, proxies are those of the
environment. It decides nothing about what is pinned: see `core.benchmarks.sources`.
"""

import gzip
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from gopd_eval.core.benchmarks.sources import DataSet
from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.datastore import FIELD, DataStore, SetEntry, file_digest
from gopd_eval.shell.files import failures_as_errors

TIMEOUT_SECONDS = 60.0
ATTEMPTS = 4
PAUSE_SECONDS = 1.0
BLOCK = 1 << 20
Say = Callable[[int, int | None], None]
"""Told as bytes arrive: how many are there, how many there will be where that is known."""


def fetch(
    data_set: DataSet, store: DataStore, source: Path | None = None, say: Say = lambda there, all_: None
) -> SetEntry:
    """Bring a data set into the store, from `source` where it is given; nothing is done where it is there and whole.

    Raises EvaluationError: what was fetched is not the set, or could not be fetched.
    """
    # Late: only who brings data in pays for the graders' libraries.
    from gopd_eval.shell.importing import check_records

    with store.alone():
        if (known := _whole(data_set, store)) is not None:
            return known
        partial = store.partial(data_set.sha256)
        if source is None:
            _download(data_set, partial, say)
        else:
            _copy(data_set, source, partial)
        _check_digest(data_set, partial, source)
        size = partial.stat().st_size
        checks = check_records(data_set, partial)
        store.put(partial, data_set.sha256)
        entry = SetEntry(
            name=data_set.name, uri=data_set.uri, revision=data_set.revision, sha256=data_set.sha256,
            bytes=size, records=data_set.records, licence=data_set.licence,
            origin=data_set.uri if source is None else str(source), checks=checks,
        )  # fmt: skip
        store.write_entry(entry)
        return entry


def _whole(data_set: DataSet, store: DataStore) -> SetEntry | None:
    try:
        entry = store.entry(data_set.name)
        if entry is None or entry.sha256 != data_set.sha256:
            return None
        store.checked(data_set.name, FIELD)
        return entry
    except EvaluationError:  # damaged: it is fetched again, which is the remedy
        return None


def _copy(data_set: DataSet, source: Path, partial: Path) -> None:
    """The file's bytes; a compressed file's contents."""
    try:
        with source.open("rb") as file, partial.open("wb") as out:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            shutil.copyfileobj(gzip.GzipFile(fileobj=file) if packed else file, out, BLOCK)
    except (OSError, EOFError) as error:
        fault = f"{source} cannot be read ({error.strerror if isinstance(error, OSError) else error})"
        raise EvaluationError("--from", fault, f"give the file of {data_set.uri}") from error


def _check_digest(data_set: DataSet, partial: Path, source: Path | None) -> None:
    found, size = file_digest(partial), partial.stat().st_size
    if found == data_set.sha256:
        return
    partial.unlink()
    if source is not None:
        fault = f"{source} is not {data_set.name} (sha256 {found}, wanted {data_set.sha256})"
        raise EvaluationError("--from", fault, f"give the file of {data_set.uri}", "DataChanged")
    fault = f"{data_set.uri} gave {size} bytes of sha256 {found}, which is not {data_set.sha256}"
    remedy = "try again; if it stays so, the file was changed there: get it elsewhere and give --from FILE"
    raise EvaluationError(data_set.name, fault, remedy, "DataChanged")


def _download(data_set: DataSet, partial: Path, say: Say) -> None:
    """All bytes into `partial`, in several attempts, each from where the last one stopped."""
    last = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(data_set.uri, partial, say)
            return
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)  # what is there is no beginning of the file
            elif error.code < http.client.INTERNAL_SERVER_ERROR:
                raise _not_reached(data_set, f"answers {error.code} {error.reason}") from error
            last = f"answers {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            last = f"cannot be reached ({getattr(error, 'reason', None) or error})"
        if attempt < ATTEMPTS:
            time.sleep(PAUSE_SECONDS * attempt)
    raise _not_reached(data_set, last)


def _not_reached(data_set: DataSet, why: str) -> EvaluationError:
    remedy = "give the same command again (it goes on where it was), or get the file elsewhere and give --from FILE"
    return EvaluationError(data_set.name, f"{data_set.uri} {why}", remedy, "DataUnavailable")


def _receive(uri: str, partial: Path, say: Say) -> None:
    there = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "gopd", "Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    request = urllib.request.Request(uri, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if there and response.status != http.client.PARTIAL_CONTENT:
            there = 0  # the server gives the whole file, whatever was asked for
        announced = response.headers.get("Content-Length")
        whole = there + int(announced) if announced else None
        with failures_as_errors(FIELD):
            file = partial.open("ab" if there else "wb")
        with file:
            while block := response.read1(BLOCK):
                with failures_as_errors(FIELD):
                    file.write(block)
                there += len(block)
                say(there, whole)
        if whole is not None and there < whole:
            raise ConnectionError(f"the connection ended after {there} of {whole} bytes")
