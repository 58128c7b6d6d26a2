"""Processes of a step: started in a session of their own, marked, asked to save, and ended without a rest.

Ray's daemons leave the session that they were started in, so everything that a step starts is also known by two
environment variables that it inherits: the job's uid and its folder. Limits: a process that clears its environment and
leaves the session is not found.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

UID_MARK = "GOPD_JOB_UID"
FOLDER_MARK = "GOPD_JOB_FOLDER"
"""The folder tells apart two work directories with the same job, which has the same uid in both."""


class Child:
    """A running process of a step, its output going to a log."""

    def __init__(self, command: Sequence[str], log: Path, uid: str, folder: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        environment = os.environ | {UID_MARK: uid, FOLDER_MARK: str(folder), "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def ask_to_save(self) -> None:
        """SIGTERM to the process itself, not to its group: as in a pod, it ends its own workers when it has saved."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> int:
        """End the whole session and everything marked; returns the exit code."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself in between
                os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        end_marked(self.folder, grace_seconds=0)
        return code


def marked(folder: Path) -> list[psutil.Process]:
    """The live processes that a run of the job in `folder` has started, other than this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(FOLDER_MARK) == str(folder):
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's: neither is ours to end
            continue
    return found


def end_marked(folder: Path, grace_seconds: float) -> int:
    """End what is left of the job's processes once `grace_seconds` have passed; returns how many had to be ended.

    Only this run's (or, after a crash, an earlier run's) own processes carry the mark. The caller must hold the job's
    lock.
    """
    until = time.monotonic() + grace_seconds
    while (left := marked(folder)) and time.monotonic() < until:
        time.sleep(0.1)
    ended = set()
    for _ in range(50):
        if not left:
            break
        for process in left:
            ended.add(process.pid)
            with contextlib.suppress(psutil.Error):  # gone meanwhile
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
        left = marked(folder)
    return len(ended)
