"""File locks that end with the process that holds them.

`flock` of the standard library rather than a package: this project runs on Linux, and nothing below gopd_tracking
brings `filelock`.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.05


@contextmanager
def locked(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Hold the lock `path` inside; yields False when another process still held it after `patience` seconds."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    taken = False
    try:
        taken = _taken(file, time.monotonic() + patience)
        yield taken
    finally:
        if taken:
            # Closing is not enough: a process forked meanwhile holds the file open, and with it the lock.
            fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _taken(file: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True
