"""Real trainings for tests: the command as people start it, its progress, and its whole tree of processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from gopd_api.requests import TrainRequest
from gopd_trainer.shell import processes

PATIENCE = 400
"""Seconds that a tiny training may take on a busy machine."""
GONE_WITHIN = 30.0
"""Seconds until a process that was killed has given its memory back."""


class Training:
    """`python -m gopd_trainer --request ...` as a child process."""

    def __init__(self, request: TrainRequest, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.request, self.folder = request, folder
        path = folder / "train-request.json"
        path.write_text(request.to_json(), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VERL_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gopd_trainer", "--request", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def finish(self) -> tuple[int, str]:
        """Wait for the end; the exit code and everything that was printed."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output + self.log_tail()

    def log_tail(self) -> str:
        logs = sorted(Path(self.request.paths.scratch).glob("training-*.log"))
        return "".join(f"\n--- {log.name}\n{processes.tail(log, 25)}" for log in logs[-1:])

    def log(self) -> str:
        """Everything that the training has said so far."""
        logs = sorted(Path(self.request.paths.scratch).glob("training-*.log"))
        return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)

    def progress(self) -> dict[str, Any]:
        path = Path(self.request.paths.progress)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def report(self) -> dict[str, Any]:
        return json.loads(Path(self.request.paths.report).read_text(encoding="utf-8"))

    def wait_until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the progress is as wanted; fails when the training ends before."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            progress = self.progress()
            if progress and reached(progress):
                return progress
            assert self.process.poll() is None, self.finish()
            time.sleep(0.1)
        raise TimeoutError(f"not reached within {PATIENCE} s: {self.progress()}")

    def kill_everything(self) -> None:
        """SIGKILL to the supervisor and to every process of the training, all at once, then to what they still began.

        Returns when they are gone: a large process takes a moment to end after its SIGKILL. Whether others came since
        is for the caller to ask.
        """
        tree = processes.marked(self.request.paths.scratch)
        self.process.kill()
        killed = killed_of(tree)
        self.process.communicate()
        psutil.wait_procs([*killed, *killed_of(processes.marked(self.request.paths.scratch))], timeout=GONE_WITHIN)


def killed_of(tree: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Send SIGKILL to each of these that is there; those."""
    killed = []
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
            killed.append(process)
    return killed
