"""Symbolic comparison in processes that can be killed, several at once, from any thread.

math-verify's own timeouts do not stop a computation inside one big integer operation, and a crash in it would end the
grading. So processes of their own compare over pipes: the kernel ends one that has used its processor seconds, the
parent one that takes far longer by the clock, and another is started when the next answer comes. It decides how long is
long enough and how many there are, and nothing about answers.
"""

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import gopd_eval
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import Comparison, Pending, Preset
from gopd_eval.core.samples import Grade

T = TypeVar("T")
R = TypeVar("R")
Question = Literal["strict", "seed", "gold"]
START_SECONDS = 120.0
SECONDS: dict[Question, float] = {"strict": 5.0, "seed": 25.0, "gold": 10.0}
"""Processor seconds for one comparison. `seed` leaves math-verify's own alarms (5 s a step) time to answer."""
CLOCK_FACTOR = 8
"""By the clock it may take so many times longer: on a busy machine an answer gets the same processor time."""
MOST_SLOTS = 8
REMEMBERED = 50_000
AHEAD = 64
"""Results that may wait for one before them: an answer that takes its whole time shall not leave the others idle."""
BEAT_SECONDS = 0.5
ARITHMETIC = {"SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1"}
"""sympy shall not use gmpy2 where it happens to be installed: a computation in it cannot be interrupted, and it aborts
the process when memory is short. What ends a comparison is then the same on every machine."""
LIBRARIES = ("math-verify", "latex2sympy2_extended", "sympy", "antlr4-python3-runtime")


def libraries() -> str:
    """The versions that verdicts depend on, the one with the rules first."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def usual_slots() -> int:
    """One process for each processor that this process may use."""
    return min(len(os.sched_getaffinity(0)), MOST_SLOTS)


class Equality:
    """Compares answers in up to `slots` processes. Use as a context manager; each starts when it is first needed."""

    def __init__(
        self, beat: Callable[[], None], seconds: Mapping[Question, float] | None = None, slots: int | None = None
    ) -> None:
        self._beat = beat
        limits = {**SECONDS, **(seconds or {})}
        self._slots = [_Slot(limits) for _ in range(slots or usual_slots())]
        self._free: queue.LifoQueue[_Slot] = queue.LifoQueue()  # the last one used is warm
        for slot in reversed(self._slots):
            self._free.put(slot)
        self._threads = ThreadPoolExecutor(len(self._slots), thread_name_prefix="equality")
        self._known: dict[tuple[str, str, Question], Comparison] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for slot in self._slots:
            slot.end()
        self._threads.shutdown(wait=True)
        idle = [self._free.get() for _ in self._slots]  # also from threads that are not ours
        for slot in idle:
            slot.stop()
            self._free.put(slot)

    @property
    def pids(self) -> list[int]:
        """Process ids of those that run."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    def compare(self, right: str, given: str, preset: Preset) -> Comparison:
        """Whether `given` means the same as `right`, or what ended the comparison. The same question is asked once."""
        return self._ask(right, given, preset)

    def same(self, left: str, right: str) -> bool:
        """Whether two normalised answers mean the same under `strict`, for `core.classes`."""
        return self._ask(left, right, "strict").outcome == "equal"

    def verifies(self, gold: str) -> Comparison:
        """Whether a normalised right answer is read as a value (`unread` if not) that equals itself."""
        return self._ask(gold, gold, "gold")

    def grades(self, begun: Iterable[Grade | Pending]) -> Iterator[Grade]:
        """The verdicts in order. Only a comparison that is not known yet is handed to a thread: that costs more than
        reading an answer does.
        """
        return self._ordered(self._soon(one) for one in begun)

    def in_order(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """`work` on every item, as many at once as there are processes, results in the order of the items."""
        return self._ordered(self._threads.submit(work, item) for item in items)

    def _soon(self, one: Grade | Pending) -> "Grade | Future[Grade]":
        if isinstance(one, Grade):
            return one
        if (known := self._known.get((one.right, one.given, one.preset))) is not None:
            return one.grade(known)
        return self._threads.submit(lambda: one.grade(self.compare(one.right, one.given, one.preset)))

    def _ordered(self, results: "Iterable[R | Future[R]]") -> Iterator[R]:
        """Results in order as they come; never more than AHEAD are asked for and not handed on."""
        waiting: deque[R | Future[R]] = deque()
        for result in results:
            waiting.append(result)
            while waiting and (len(waiting) >= AHEAD or not isinstance(waiting[0], Future)):
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def _result(self, future: "R | Future[R]") -> R:
        if not isinstance(future, Future):
            self._beat()
            return future
        while True:
            self._beat()
            try:
                return future.result(timeout=BEAT_SECONDS)
            except NotYetError:
                if future.done():
                    raise  # the work itself raised it

    def _ask(self, right: str, given: str, question: Question) -> Comparison:
        asked = (right, given, question)
        if (known := self._known.get(asked)) is not None:
            return known
        slot = self._free.get()
        try:
            found = slot.ask(right, given, question)
        finally:
            self._free.put(slot)
        if found.outcome != "crash" and len(self._known) < REMEMBERED:
            self._known[asked] = found
        return found


class _Slot:
    """The place of one comparing process, used by one thread at a time."""

    def __init__(self, seconds: Mapping[Question, float]) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  what it says, kept as long as the slot
        self._pending = b""
        self._closing = threading.Event()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def ask(self, right: str, given: str, question: Question) -> Comparison:
        """The answer of the process, which is started for it if need be, and killed if it does not come."""
        if self._closing.is_set():
            return Comparison("crash")
        process = self._process or self._start()
        task = json.dumps({"right": right, "given": given, "preset": question}).encode() + b"\n"
        line = self._exchange(process, task, self._seconds[question] * CLOCK_FACTOR)
        if not line:
            return Comparison("timeout" if line is None else self._why_ended())
        comparison = Comparison(json.loads(line)["outcome"])
        if comparison.outcome == "memory":
            self.stop()  # the next answer gets its memory back
        return comparison

    def _start(self) -> subprocess.Popen[bytes]:
        """A new process with an empty environment: it parses what a model wrote, and needs no secrets for that."""
        source = str(Path(gopd_eval.__file__).parents[1])
        paths = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._pending = b""
        self._messages.seek(0)
        self._messages.truncate()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gopd_eval.shell.equality_worker", json.dumps(self._seconds), str(os.getpid())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._messages,
            env={"PYTHONPATH": paths, **ARITHMETIC}, start_new_session=True,
        )  # fmt: skip
        if not self._exchange(self._process, b"", START_SECONDS):
            said = self._said()
            self.stop()
            remedy = f"see why, and install what is missing ({said or 'it said nothing'})"
            raise EvaluationError("grade", "the comparing process does not start", remedy, "GraderUnavailable")
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], task: bytes, seconds: float) -> bytes | None:
        """Send the task and wait for a line; empty when the process has ended, None when it took too long."""
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: the end of its output says so
            process.stdin.write(task)
            process.stdin.flush()
        line = self._line(process, seconds)
        if line is None:
            self.stop()
        return line

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                left = deadline - time.monotonic()
                if left <= 0 or self._closing.is_set():
                    return None
                if not selector.select(min(left, BEAT_SECONDS)):
                    continue
                found = os.read(process.stdout.fileno(), 65536)
                if not found:
                    return b""
                self._pending += found
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _why_ended(self) -> Literal["timeout", "memory", "crash"]:
        """What ended the process: its processor time, its memory (GMP aborts without any), or something else."""
        said = self._said()
        code = self._process.wait() if self._process else 0
        self.stop()
        if code == -signal.SIGPROF:
            return "timeout"
        return "memory" if "cannot allocate memory" in said.lower() or "MemoryError" in said else "crash"

    def _said(self) -> str:
        """The end of what it wrote to standard error."""
        size = self._messages.seek(0, os.SEEK_END)
        self._messages.seek(max(0, size - 2000))
        return self._messages.read().decode(errors="replace").strip()

    def stop(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was still to be sent has no reader: it was killed on purpose
                    pipe.close()

    def end(self) -> None:
        """No thread shall wait here any longer."""
        self._closing.set()
