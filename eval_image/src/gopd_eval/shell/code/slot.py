"""One launcher and the program that it runs: pipes, clocks and limits, from the outside.

It decides when a program has run too long. What counts is its own processor time and the time that it sleeps, not the
wall clock: on a busy machine a program waits for its turn, and its verdict must not depend on that. Output is read at
ticks; a program that writes more than may be compared is ended.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from functools import cache
from marshal import dumps
from pathlib import Path
from select import select
from typing import Any, Literal

import gopd_eval
from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.code.inside.launcher import KILL, RUN
from gopd_eval.shell.code.inside.lockdown import THREADS
from gopd_eval.shell.code.run import MAX_LINE, PIPE_BYTES, Ended, Run, State, in_memory, pipe, read_now, threads, waits

START_SECONDS = 120.0
WALL_SECONDS, WALL_FACTOR = 120.0, 20.0
"""However busy the machine is, a run ends: so many seconds, and so many times its limit."""
READS = 64
"""Of each pipe at a tick: a program that writes byte by byte shall not keep the grader from the others."""
SLEEP_STEP = 0.1
"""A tick counts for so much sleep at the most: a grader that was stopped itself cannot tell."""


@cache
def folders() -> tuple[list[str], list[str]]:
    """Folders that the interpreter reads, and those of them that packages lie in."""
    paths = sysconfig.get_paths()
    packages = sorted({paths["purelib"], paths["platlib"]})
    library = str(Path(sys.base_prefix, "lib"))
    return sorted({paths["stdlib"], paths["platstdlib"], library, *packages}), packages


class Slot:
    """Runs one program at a time."""

    def __init__(self, number: int, *, with_landlock: bool = True) -> None:
        self._number, self._with_landlock = number, with_landlock
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._heard = b""
        self._state: State | None = None
        self.measures: list[str] = []

    def fileno(self) -> int:
        """Readable when the launcher has something to say."""
        assert self._control is not None
        return self._control.fileno()

    @property
    def pid(self) -> int | None:
        """Process id of the program at hand."""
        return self._state.pid or None if self._state else None

    @property
    def launcher(self) -> int | None:
        """Process id of the launcher, while there is one."""
        return None if self._process is None else self._process.pid

    def open(self) -> None:
        """Start the launcher and wait until it is ready. Raises EvaluationError when it is not."""
        ours, theirs = socket.socketpair()
        readable, packages = folders()
        source = str(Path(gopd_eval.__file__).parents[1])
        settings = json.dumps({
            "slot": self._number, "folders": readable, "packages": packages, "landlock": self._with_landlock,
            "source": source,
        })  # fmt: skip
        call = (
            f"import sys; sys.path.insert(0, {source!r}); from gopd_eval.shell.code.inside.launcher import main; main()"
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-S", "-B", "-c", call, str(theirs.fileno()), settings],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
                env={"PYTHONHASHSEED": "0"}, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        self._control, self._heard = ours, b""
        try:
            self.measures = self._hear()["measures"]
        except (OSError, EOFError):
            self.close()
            remedy = "see which of seccomp, setresuid and setrlimit this container forbids"
            raise EvaluationError("grade", "the sandbox does not start", remedy, "SandboxUnavailable") from None

    def close(self) -> None:
        """End the launcher, and the program with it."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._close_pipes()
        self._process = self._control = self._state = None

    def start(self, run: Run) -> None:
        """Begin a run."""
        if self._control is None:
            self.open()
        assert self._control is not None
        results, theirs = pipe()
        settings = {"seconds": int(run.total) + 2, "memory": run.memory}
        descriptors, stdin, stdout = [in_memory(dumps(settings), run.job), theirs], None, None
        if run.stdin is not None:
            given, stdin = pipe()
            stdout, written = pipe()
            descriptors += [given, written]
        for descriptor in (results, stdin, stdout):
            if descriptor is not None:
                os.set_blocking(descriptor, False)
        self._state = State(run, results, stdin, stdout, memoryview(run.stdin or b""), time.monotonic())
        try:
            socket.send_fds(self._control, [RUN], descriptors)
            self._state.pid = int(self._hear()["pid"])
        except (OSError, EOFError):
            pass  # the launcher is gone: the next tick says so
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def tick(self) -> Ended | None:
        """Read, feed, look at the clocks; how the run ended, once it has."""
        state = self._state
        assert state is not None
        self._feed(state)
        self._drain(state)
        try:
            message = self._hear(wait=False) if state.pid else {}
        except (OSError, EOFError):
            message = {}
        if message == {}:
            self.close()
            return Ended("lost")
        if message is not None:
            return self._finish(state, message)
        if state.how == "exit":
            self._look_at_clocks(state)
        return None

    def _finish(self, state: State, message: dict[str, Any]) -> Ended:
        self._drain(state, PIPE_BYTES)  # what is left is a pipe's content at the most: it writes no more
        self._close_pipes()
        self._state = None
        status, cpu = message["status"], message["cpu"]
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        how = state.how
        if how == "exit" and code in (-signal.SIGKILL, -signal.SIGXCPU) and cpu >= int(state.run.total):
            how = "timeout"
        return Ended(how, code, cpu, bytes(state.output), message["left"])

    def stop(self, how: Literal["stopped", "timeout", "flood", "crowd"]) -> None:
        """Kill the program; a later tick tells its end."""
        state = self._state
        assert state is not None and self._control is not None
        if state.how == "exit":
            state.how = how
            with suppress(OSError):
                self._control.sendall(KILL)

    def _feed(self, state: State) -> None:
        if state.stdin is None:
            return
        try:
            while state.unsent:
                state.unsent = state.unsent[os.write(state.stdin, state.unsent[:PIPE_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass  # the program reads no more
        os.close(state.stdin)
        state.stdin = None

    def _drain(self, state: State, reads: int = READS) -> None:
        for _ in range(reads):
            written = read_now(state.stdout) if state.stdout is not None else b""
            part = read_now(state.results)
            state.output += written
            state.pending += part
            state.size += len(written) + len(part)
            if b"\n" in part:
                self._take_lines(state)
            if state.how == "exit" and (state.size > state.run.most or len(state.pending) > MAX_LINE):
                self.stop("flood")
            if state.how != "exit" or not (written or part):
                return

    def _take_lines(self, state: State) -> None:
        *lines, state.pending = state.pending.split(b"\n")
        for line in lines:
            state.lines += 1
            if state.run.on_line(bytes(line)) is False:
                self.stop("stopped")
                return
        state.cpu_before, state.slept_before = state.cpu, state.slept

    def _look_at_clocks(self, state: State) -> None:
        now = time.monotonic()
        if threads(state.pid) > THREADS:
            self.stop("crowd")
            return
        try:
            cpu = time.clock_gettime((~state.pid << 3) | 2)  # the processor clock of another process
        except OSError:
            return  # it has just ended
        idle = now - state.seen - (cpu - state.cpu)
        if state.seen and idle > 0 and waits(state.pid):
            state.slept += min(idle, SLEEP_STEP)
        state.cpu, state.seen = cpu, now
        spent = cpu - state.cpu_before + state.slept - state.slept_before
        limit = state.run.seconds(state.lines)
        whole = cpu + state.slept
        if (
            spent > limit
            or whole > state.run.total
            or now - state.started > WALL_SECONDS + WALL_FACTOR * state.run.total
        ):
            self.stop("timeout")

    def _hear(self, *, wait: bool = True) -> Any:
        """The launcher's next message; None when there is none yet."""
        assert self._control is not None
        while b"\n" not in self._heard:
            if not select([self._control], [], [], START_SECONDS if wait else 0)[0]:
                if wait:
                    raise EOFError
                return None
            found = self._control.recv(4096)
            if not found:
                raise EOFError
            self._heard += found
        line, _, self._heard = self._heard.partition(b"\n")
        return json.loads(line)

    def _close_pipes(self) -> None:
        if self._state is not None:
            for descriptor in (self._state.results, self._state.stdin, self._state.stdout):
                if descriptor is not None:
                    os.close(descriptor)
