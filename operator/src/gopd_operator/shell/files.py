"""JSON files of the contracts: written whole or not at all, read as the type that wrote them.

A file that cannot be read as its type is treated as not there where an image may be writing an older version of it; the
caller says so where it matters. Limits: no locking, see `lock`.
"""

import os
import tempfile
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gopd_api.base import Model

M = TypeVar("M", bound=Model)


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path` atomically: a temporary file in the same folder, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:  # whatever ends the write, the half-written file goes and the error is passed on
        Path(temporary).unlink(missing_ok=True)
        raise


def read_as(kind: type[M], path: Path) -> M | None:
    """The file's content, or None when there is no such file or it is not of that kind."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError):
        # Written by another version, or not ours: nothing in it can be believed, and what it was for is done anew.
        return None


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log, from its last 64 KiB; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 65536))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
