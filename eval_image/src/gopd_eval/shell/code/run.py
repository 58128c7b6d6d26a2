"""A run of one program, as the grader asks for it and as it ends, and the pipes that it talks through.

It decides what a run is given and how much it may write; `slot` decides when it has run too long.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from typing import Literal

GIB = 1 << 30
PIPE_BYTES = 1 << 20
MAX_OUTPUT = 64 << 20
MAX_LINE = 5 << 20
"""Longer than any value that `inside.encode` writes."""


@dataclass(frozen=True)
class Run:
    """A program to run, and when to end it."""

    job: bytes
    """Marshalled, see `inside.runs`."""
    seconds: Callable[[int], float]
    """Limit of test n: processor time and sleep since the last line."""
    total: float
    """Limit of all tests together."""
    memory: int
    on_line: Callable[[bytes], object] = bool
    """Called with each line of results; False ends the run."""
    stdin: bytes | None = None
    """A script gets pipes as its standard input and output, others get none."""
    most: int = MAX_OUTPUT
    """Bytes of output and results that it may write."""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    how: Literal["exit", "stopped", "timeout", "flood", "crowd", "lost"]
    """By itself, because `on_line` said so, by a limit, by its output, by its threads, or with its launcher."""
    code: int = 0
    """Exit code, or the signal's number, negative."""
    cpu: float = 0.0
    output: bytes = b""
    """Standard output of a script."""
    left: int = 0
    """Processes that it left behind."""


@dataclass
class State:
    """The run at hand."""

    run: Run
    results: int
    stdin: int | None
    stdout: int | None
    unsent: memoryview
    started: float
    pid: int = 0
    pending: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)
    size: int = 0
    lines: int = 0
    cpu: float = 0.0
    cpu_before: float = 0.0
    slept: float = 0.0
    slept_before: float = 0.0
    seen: float = 0.0
    how: Literal["exit", "stopped", "timeout", "flood", "crowd"] = "exit"


def pipe() -> tuple[int, int]:
    """Both ends, reading first, as large as this user may have it."""
    ours, theirs = os.pipe()
    with suppress(OSError):  # more than a user may have: a smaller pipe is only slower
        fcntl(theirs, F_SETPIPE_SZ, PIPE_BYTES)
    return ours, theirs


def read_now(descriptor: int) -> bytes:
    """What is there; empty when there is nothing."""
    try:
        return os.read(descriptor, PIPE_BYTES)
    except BlockingIOError:
        return b""


def in_memory(*parts: bytes) -> int:
    """A descriptor of a file without a name that holds the parts, to be read from its start."""
    descriptor = os.memfd_create("job", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.writelines(parts)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def threads(pid: int) -> int:
    """How many a process has; 0 when it has ended."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return 0


def waits(pid: int) -> bool:
    """Whether no thread of a process runs, nor would if it had a processor: all sleep, or have been stopped."""
    try:
        return not any(_runs(thread) for thread in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False


def _runs(thread: Path) -> bool:
    text = (thread / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()[0] in "RD"
