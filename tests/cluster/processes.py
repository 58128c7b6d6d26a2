"""Processes of a test cluster: started with a log, ended by pid, never left behind.

Decides how a process is tied to the one that started it: the kernel ends it when its parent dies, and the folder of a
cluster names its processes, so that a later run ends what a killed one left. Which processes there are is the caller's.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PREFIX = "gopd-cluster-"
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None, use_errno=True)


class Died(RuntimeError):
    """A process ended, or was not ready, with the end of its log."""


def _die_with_parent() -> None:
    _libc.prctl(DIE_WITH_PARENT, signal.SIGKILL)


class Process:
    """One process with its log, in the folder of its cluster."""

    tied = True
    """Whether the kernel ends it when its parent dies."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name, self.folder = name, folder
        self.log, self.pid_file = folder / f"{name}.log", folder / f"{name}.pid"
        self.environment = environment
        self.child: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str | Path]) -> None:
        """Start it in a session of its own: Ctrl-C reaches the tests first, which then end it in order.

        Call it from a thread that lasts: the end of the thread that started a process counts as its parent's.
        """
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=None if self.environment is None else dict(self.environment),
                start_new_session=True,
                preexec_fn=_die_with_parent if self.tied else None,  # noqa: PLW1509 - one system call, no lock
            )
        self.pid_file.write_text(str(self.child.pid))

    @property
    def pid(self) -> int:
        if self.child is None:
            raise Died(f"{self.name} was not started")
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def check(self) -> None:
        """Raises Died with the end of the log if it is not running."""
        if not self.running:
            code = "" if self.child is None else f" with {self.child.returncode}"
            raise Died(f"{self.name} ended{code}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"  {line[:300]}" for line in text[-lines:])

    def kill(self) -> None:
        """SIGKILL, as a crash: no time to say goodbye."""
        if self.child is not None:
            if self.child.poll() is None:
                self.child.kill()
            self.child.wait()

    def stop(self, patience: float = 5) -> None:
        """SIGTERM, and SIGKILL when it takes its time."""
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        self.pid_file.unlink(missing_ok=True)


def new_folder() -> Path:
    """The folder of a cluster. Removes those whose owner is gone, and ends the processes that they name."""
    for folder in left():
        clear(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / "owner.pid").write_text(str(os.getpid()))
    return folder


def left() -> list[Path]:
    """Folders of clusters whose owner is gone."""
    folders = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return [folder for folder in folders if not _alive(folder / "owner.pid")]


def clear(folder: Path) -> None:
    """End every process that a cluster's folder names and that still is what it was, then remove the folder."""
    for pid_file in folder.glob("*.pid"):
        if pid_file.name != "owner.pid" and _alive(pid_file, folder):
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _alive(pid_file: Path, folder: Path | None = None) -> bool:
    """Whether the process is there; with a folder, whether it also works in that folder: pids are given out again."""
    try:
        process = Path("/proc") / str(int(pid_file.read_text()))
        if folder is not None:
            return (process / "cwd").resolve() == folder.resolve()
        # A folder that appears right now has no owner yet, so a missing file counts as alive for a while.
        return process.exists()
    except ValueError:
        return True
    except FileNotFoundError:
        return pid_file.parent.exists() and time.time() - pid_file.parent.stat().st_mtime < 60
    except PermissionError:
        return folder is None
