"""Starting the training process and ending all that it started, and nothing else.

Ray's daemons leave their parent's process group, so that every process of a training carries a mark in its environment
and is found by it. Processes of other users and other trainings are never touched.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MARK = "GOPD_TRAINING"
"""Environment variable with the scratch folder of its training, in every process of it: a uid may be in two roots."""


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that a terminal's Ctrl-C does not reach it; output goes to `log`."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def marked(scratch: str) -> list[psutil.Process]:
    """Every other process of the training with this scratch folder that this user may see."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == scratch:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def end(scratch: str, patience: float = 5.0) -> int:
    """End every process of the training: SIGTERM, after `patience` seconds SIGKILL. Returns how many there were."""
    processes = marked(scratch)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        _, alive = psutil.wait_procs(processes, timeout=patience)
        if not alive:
            break
        processes_left = marked(scratch)
        processes = list({*alive, *processes_left})
    return len(processes)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
