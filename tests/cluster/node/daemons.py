"""Processes that outlive the command that started them, and are found again by their pid file.

Decides when a process still is the one that was started: its pid and the moment of its start, because pids are given
out again.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster.processes import Process


class Daemon(Process):
    """One lasting process of the node: the same calls as of any other, from whichever command."""

    tied = False

    def start(self, command: Sequence[str | Path]) -> None:
        super().start(command)
        assert self.child is not None
        self.pid_file.write_text(f"{self.child.pid} {started(self.child.pid)}")

    @property
    def pid(self) -> int:
        found = self._living()
        return super().pid if found is None else found

    @property
    def running(self) -> bool:
        if self.child is not None:
            return super().running
        return self._living() is not None

    def kill(self) -> None:
        self._end(signal.SIGKILL, 10)

    def stop(self, patience: float = 5) -> None:
        if not self._end(signal.SIGTERM, patience):
            self.kill()
        self.pid_file.unlink(missing_ok=True)

    def _end(self, number: int, patience: float) -> bool:
        pid = self._living()
        if pid is not None:
            os.kill(pid, number)
        return eventually(lambda: not self.running and self._living() is None, patience)

    def _living(self) -> int | None:
        """Its pid, while it lives."""
        try:
            pid, moment = self.pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if started(int(pid)) == moment else None


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty when it is gone or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def eventually(true: Callable[[], bool], patience: float) -> bool:
    """Whether something comes true in time."""
    give_up = time.monotonic() + patience
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True
