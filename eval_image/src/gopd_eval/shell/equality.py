"""Symbolic comparison in a process that can be killed.

math-verify's own timeouts do not stop a computation inside one big integer operation, and a crash in it would end the
grading. So one process of its own compares over pipes; the parent waits so long, kills it, and starts another when the
next answer comes. It decides how long is long enough, and nothing about answers.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import gopd_eval
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import Comparison, Preset

START_SECONDS = 120.0
SECONDS: dict[Preset, float] = {"strict": 5.0, "seed": 25.0}
"""`seed` leaves math-verify's own alarms (5 s a step) time to answer as published."""


class EqualityProcess:
    """Compares answers, one at a time. Use as a context manager; the process starts with the first comparison."""

    def __init__(self, beat: Callable[[], None], seconds: dict[Preset, float] | None = None) -> None:
        self._beat, self._seconds = beat, seconds or SECONDS
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def compare(self, right: str, given: str, preset: Preset) -> Comparison:
        """Whether `given` means the same as `right`; `timeout` and `crash` instead of an answer that did not come."""
        process = self._process or self._start()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"right": right, "given": given, "preset": preset}).encode() + b"\n")
            process.stdin.flush()
            line = self._line(process, self._seconds[preset])
        except BrokenPipeError:
            line = b""
        if line is None or not line:
            self._kill()
            return Comparison("timeout" if line is None else "crash")
        return Comparison("equal" if json.loads(line)["equal"] else "different")

    def _start(self) -> subprocess.Popen[bytes]:
        """A new process with an empty environment: it parses what a model wrote, and needs no secrets for that."""
        source = str(Path(gopd_eval.__file__).parents[1])
        environment = {"PYTHONPATH": os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])}
        self._pending = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gopd_eval.shell.equality_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment, start_new_session=True,
        )  # fmt: skip
        if not self._line(self._process, START_SECONDS):
            self._kill()
            remedy = "run python -m gopd_eval.shell.equality_worker to see why"
            raise EvaluationError("grade", "the comparing process does not start", remedy, "GraderUnavailable")
        return self._process

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        """The next line; empty when the process has ended, None when it took too long."""
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                self._beat()
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                if not selector.select(min(left, 0.5)):
                    continue
                found = os.read(process.stdout.fileno(), 65536)
                if not found:
                    return b""
                self._pending += found
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was still to be sent has no reader: it was killed on purpose
                    pipe.close()
        self._process = None
