"""Takes everything from a process that is about to run a program nobody trusts: rights, files, processes, networks.

It decides the order and the limits that never change. Limits of one run (time, memory) come with the run. What this
kernel or this user cannot hold off is told by `measures`; whether that is enough is decided by `shell.code.selftest`.
"""

import ctypes
import itertools
import os
import resource
import signal
import struct
import sys
import threading
from dataclasses import dataclass

from gopd_eval.shell.code.inside import landlock, seccomp, syscalls

FIRST_UID = 61184
"""As root, slot n runs its programs as user 61184 + n, who owns no file and no other process."""
OPEN_FILES, THREADS, STACK = 64, 64, 64 << 20
SPARE = 448
"""As an ordinary user, threads beyond a program's own that may start beside it: the kernel counts all of the user. The
grader ends a program that has more than THREADS."""
_NO_NEW_PRIVILEGES, _DEATH_SIGNAL, _KEEP_CAPABILITIES, _DUMPABLE, _SET_DUMPABLE = 38, 1, 8, 3, 4
_MANY = 1 << 20
_READ_SEARCH = 1 << 2
"""CAP_DAC_READ_SEARCH: reading in spite of permissions, where Landlock leaves the interpreter's folders only."""


@dataclass(frozen=True)
class Cell:
    """What a launcher prepares once for all its programs."""

    uid: int | None
    """User to become, when this one is root."""
    reads_by_capability: bool
    rules: int | None
    """Landlock's descriptor."""
    processes: int | None
    """Limit of processes and threads of the user; None where the user has others, whose number changes: see `room`."""


def prepare(slot: int, folders: list[str], *, with_landlock: bool = True) -> Cell:
    """Once, in the launcher. `with_landlock` is False only to try what holds without it."""
    rules = landlock.ruleset([*folders, *_system_files()]) if with_landlock else None
    reads = bool(_capabilities() & _READ_SEARCH) and not all(map(_open_to_all, folders))
    if os.getuid() != 0:
        return Cell(None, reads, rules, None)
    return Cell(FIRST_UID + slot, reads, rules, THREADS)


def hide(hidden: int = 1) -> int:
    """Nobody of this user may look into this process or its children to come: neither memory nor environment. Returns
    how it was, for calling it again.
    """
    libc = ctypes.CDLL(None)
    before = libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, int(not hidden), 0, 0, 0)
    return int(before == 0)


def _capabilities() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))


def _system_files() -> list[str]:
    return ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/etc/ld.so.cache",
            "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"]  # fmt: skip


def _open_to_all(folder: str) -> bool:
    """Whether every user may search the folder and all that it lies in."""
    parts = os.path.realpath(folder).split("/")
    above = ("/".join(parts[:end]) or "/" for end in range(1, len(parts) + 1))
    return all(os.stat(path).st_mode & 0o001 for path in above)


def room() -> int:
    """A limit of threads for the next program of this user, above what the kernel counts now.

    It counts those in other containers of the machine, too, which cannot be listed here: it is asked by trying.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _MANY if hard == resource.RLIM_INFINITY else hard
    low, high = 0, most
    try:
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if _starts_below(middle, hard) else (middle + 1, high)
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    return min(low + THREADS + SPARE, most)


def _starts_below(limit: int, hard: int) -> bool:
    """Whether a thread starts under this limit."""
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
    thread = threading.Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def apply(cell: Cell, keep: list[int], seconds: int, memory: int, processes: int) -> None:
    """In the process that becomes the program. `keep`: descriptors that stay open, beside 0, 1 and 2."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.setsid()
    libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if cell.rules is not None:
        keep = [*keep, cell.rules]
    _close_others(keep)
    _set_limits(seconds, memory, processes)
    if cell.uid is not None:
        _become(libc, cell.uid)
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)  # changing the user has cleared it
    _drop_capabilities(libc, _READ_SEARCH if cell.reads_by_capability else 0)
    os.environ.clear()
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if cell.rules is not None:
        landlock.restrict(cell.rules)
        os.close(cell.rules)
    seccomp.install(seccomp.assemble(os.getpid(), files_are_confined=cell.rules is not None))


def _close_others(keep: list[int]) -> None:
    edges = [2, *sorted(keep), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]
    for before, after in itertools.pairwise(edges):
        os.closerange(before + 1, after)


def _set_limits(seconds: int, memory: int, processes: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory, resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES, resource.RLIMIT_NPROC: processes, resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0, resource.RLIMIT_SIGPENDING: 64,
    }  # fmt: skip
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _become(libc: ctypes.CDLL, uid: int) -> None:
    """Another user; capabilities are left for `_drop_capabilities`."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
    os.setresuid(uid, uid, uid)


def _drop_capabilities(libc: ctypes.CDLL, kept: int) -> None:
    """All but reading, where the interpreter lies in a folder that only a capability opens."""
    header, sets = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", kept, kept, 0, 0, 0, 0)
    if libc.syscall(syscalls.of_this_machine()[1]["capset"], header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def measures(cell: Cell) -> list[str]:
    """What holds here, for the result."""
    return [
        f"python {sys.version.split()[0]}", "seccomp",
        f"landlock {landlock.version() if cell.rules is not None else 0}",
        "user of its own" if cell.uid is not None else f"user {os.getuid()}",
        *(["reads root's interpreter"] if cell.reads_by_capability else []),
    ]  # fmt: skip
