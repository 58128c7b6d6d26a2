"""Processes that run in a job's pods: what faults are done to, from inside the pod, as on any cluster.

Decides which processes are a training's. What follows from their end the tests look at.
"""

import signal

from tests.e2e.cluster.observing import Followed, NotSeen

MARK = "GOPD_TRAINING="
"""In the environment of every process of a training, but for the one that watches it."""
DRIVER = "gopd_trainer.shell.driver"
"""In the command of the process that trains, below the one that watches it."""
PROGRAM = """
import os, pathlib, sys
where, text, number = sys.argv[1:]
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if int(folder.name) == os.getpid() or text.encode() not in (folder / where).read_bytes():
            continue
        os.kill(int(folder.name), int(number))
    except (FileNotFoundError, PermissionError, ProcessLookupError):  # ended meanwhile, or another user's
        continue
    print(folder.name)
"""
"""Sends a signal to every process that has a text in its cmdline or environ, and says which those were."""


def kill_training(followed: Followed) -> None:
    """End the process that trains as a crash of its own code would. Raises NotSeen where nobody trains."""
    if not _signal(followed, "cmdline", DRIVER, signal.SIGABRT):
        raise NotSeen(f"nobody trains for {followed.name}\n{followed.story()}")


def freeze(followed: Followed) -> int:
    """Stop all processes of the training, as a driver that hangs would; how many there were."""
    return len(_signal(followed, "environ", MARK, signal.SIGSTOP))


def _signal(followed: Followed, where: str, text: str, number: signal.Signals) -> list[str]:
    (pod,) = [one for one in followed.pods(part="train") if "deletionTimestamp" not in one["metadata"]]
    words = ("exec", "-n", followed.namespace, pod["metadata"]["name"], "--", "python", "-c", PROGRAM)
    said = followed.installation.access.kubectl(*words, where, text, str(int(number))).stdout
    return str(said).split()
