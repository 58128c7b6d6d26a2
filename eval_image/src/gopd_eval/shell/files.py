"""Files that are whole or not there: atomic writes, and the failures of a file system in words.

It does not decide what is written. Torn appends are the business of `store`.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gopd_eval.core.errors import EvaluationError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomically(path: Path, text: str, field: str) -> None:
    """Write `text` to `path` so that a reader sees the old file or the new one; `field` is named when it fails."""
    with failures_as_errors(field):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)  # mkstemp's 0600 would hide reports from other containers' users
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def failures_as_errors(field: str) -> Iterator[None]:
    """Turn an OSError into the sentence with field, fault and remedy."""
    try:
        yield
    except OSError as error:
        place = f" at {error.filename}" if error.filename else ""
        if error.errno in _FULL:
            remedy = "free space and give the same command again: finished answers are kept"
            raise EvaluationError(field, f"the disk is full{place} ({error.strerror})", remedy, "DiskFull") from error
        remedy = "make the folder writable, or give another path"
        raise EvaluationError(field, f"cannot be written{place} ({error.strerror})", remedy, "StorageError") from error
