"""One `gopd run` at a time on a job: a lock that the kernel lets go when its holder dies.

The file names its holder for people; what counts is the kernel's lock on it, so a lock whose holder was killed is
free at once and a reused process id fools nobody. Limits: machines that share a work directory over a network file
system without locks are not kept apart.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gopd_operator.shell.errors import RunError


@contextmanager
def held(paths: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of several jobs; raises RunError, naming the holder, when one is taken."""
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(_one(path))
        yield


@contextmanager
def _one(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"{path.parent.name} is already being run by process {_holder(path)}; "
                "wait for it, or stop it with Ctrl-C (or kill -TERM) and run the same command again"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid()}) + "\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def _holder(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError):
        return "(it has not written its number yet)"
