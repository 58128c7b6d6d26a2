"""Processes that run in a job's pods, as this machine sees them: what faults are done to.

Decides which processes are a training's. It needs the node to be this machine.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.observing import Followed, NotSeen

MARK = b"GOPD_TRAINING="
"""In the environment of every process of a training, but for the one that watches it."""
TRAINING = "gopd_trainer.shell.driver"


@dataclass(frozen=True)
class Inside:
    """A process of a pod: its pid here, and its command."""

    pid: int
    command: str
    marked: bool


def processes(followed: Followed) -> list[Inside]:
    """Every process in the pod that trains."""
    (pod,) = [one for one in followed.pods(part="train") if "deletionTimestamp" not in one["metadata"]]
    return list(_of_pod(pod["metadata"]["uid"]))


def training(followed: Followed) -> Inside:
    """The process that trains, below the one that watches it."""
    found = processes(followed)
    for one in found:
        if TRAINING in one.command:
            return one
    listed = "\n".join(f"{one.pid} {one.command[:150]}" for one in found)
    raise NotSeen(f"nobody trains for {followed.name}:\n{listed}")


def freeze(followed: Followed) -> int:
    """Stop all processes of the training, as a driver that hangs would; how many there were."""
    found = [one for one in processes(followed) if one.marked]
    for one in found:
        os.kill(one.pid, signal.SIGSTOP)
    return len(found)


def _of_pod(uid: str) -> Iterator[Inside]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if uid not in (folder / "cgroup").read_text():
                continue
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            marked = MARK in (folder / "environ").read_bytes()
        except OSError:  # ended meanwhile
            continue
        yield Inside(int(folder.name), words, marked)
