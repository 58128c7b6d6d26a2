"""The machine that numbers were measured on, and what a process on it has used. Reads /proc and judges nothing."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

GIB = 2.0**30
TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """What the numbers were measured on, and how busy it was."""
    memory = psutil.virtual_memory().total / GIB
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, load average {os.getloadavg()[0]:.1f} at the start"


@dataclass(frozen=True)
class Used:
    """What a process has used until a moment."""

    at: float
    """Monotonic time of the reading."""
    processor: float
    """Seconds of user and system time."""
    resident: float
    """MiB now."""
    peak: float
    """MiB at the most."""

    def share(self, before: "Used") -> float:
        """Processor share since `before`, 1 for a whole core."""
        return (self.processor - before.processor) / (self.at - before.at)


def used(pid: int) -> Used:
    """What a process has used until now."""
    folder = Path("/proc") / str(pid)
    words = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    resident, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Used(time.monotonic(), (int(words[11]) + int(words[12])) / TICKS, resident, peak)


def resident_once(process: psutil.Process) -> float:
    """MiB of a process and all that it started, pages that they share counted once."""
    total = 0.0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for member in family:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += member.memory_full_info().pss / 2**20
    return total


def clock(pids: list[int]) -> tuple[float, float]:
    """Seconds by the clock, and of the processors that this process and those have used."""
    return time.monotonic(), time.process_time() + sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
