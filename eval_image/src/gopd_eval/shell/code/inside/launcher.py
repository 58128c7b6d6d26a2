"""The process that programs are forked from: light, single-threaded, without environment and without a secret.

It decides nothing about programs: it is given a job by the grader, forks a child that locks itself down and runs it,
tells its process id, and later how it ended. It kills the child when the grader says so, and ends with the grader.
Wire: a mark with descriptors, of which the first is a file with settings and job, marshalled by the grader. Only the
child reads that: of one program, or of the right one, nothing shall lie in the memory that the next is forked from.
"""

import contextlib
import gc
import json
import marshal
import os
import random
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

from gopd_eval.shell.code.inside import lockdown, runs

RUN, KILL = b"R", b"K"
ROOM_SECONDS = 1.0
"""How long it is known how many threads a user has."""
LIKELY = (
    "abc argparse array ast atexit base64 bisect builtins cmath collections collections.abc contextlib copy "
    "dataclasses datetime decimal enum fractions functools hashlib heapq inspect io itertools json locale "
    "math numbers operator os pickle "
    "platform pprint queue random re statistics string struct sys textwrap threading time traceback types "
    "typing unicodedata uuid zlib"
).split()
"""Modules that programs ask for: loaded once, here, instead of in every child."""


class Launcher:
    """One child at a time."""

    def __init__(self, control: socket.socket, cell: lockdown.Cell) -> None:
        self._control, self._cell = control, cell
        self._room, self._asked = 0, 0.0

    def serve(self) -> None:
        """Until the grader closes its end."""
        while True:
            mark, descriptors, _, _ = socket.recv_fds(self._control, 1, 4)
            if not mark:
                return
            if mark == KILL:  # it came after the child's end
                continue
            processes = self._processes()
            pid = os.fork()
            if pid == 0:
                self._child(descriptors, processes)
            for descriptor in descriptors:
                os.close(descriptor)
            self._tell({"pid": pid})
            if not self._watch(pid):
                return

    def _processes(self) -> int:
        """Limit of processes and threads for the next program."""
        if self._cell.processes is not None:
            return self._cell.processes
        if not self._room or time.monotonic() - self._asked > ROOM_SECONDS:
            self._room, self._asked = lockdown.room(), time.monotonic()
        return self._room

    def _child(self, descriptors: list[int], processes: int) -> None:
        """Never returns."""
        try:
            given, out, *standard = descriptors
            with open(given, "rb") as file:
                settings, job = marshal.load(file), marshal.load(file)
            for number, descriptor in enumerate(standard):
                os.dup2(descriptor, number)
                os.fchmod(number, 0o666)  # another user opens it again, by its name `/dev/stdin`
            lockdown.apply(self._cell, [out], settings["seconds"], settings["memory"], processes)
            runs.run(job, out)
        finally:
            os._exit(1)

    def _watch(self, pid: int) -> bool:
        """Tells how the child ended. False when the grader is gone."""
        alive = True
        ended, control = os.pidfd_open(pid), self._control.fileno()
        if control in select.select([ended, control], [], [])[0]:
            alive = bool(self._control.recv(1))
            os.kill(pid, signal.SIGKILL)
        os.close(ended)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # nothing can be in its group; if something is, it ends here
        _, status, used = os.wait4(pid, 0)
        left = _kill_what_is_left()
        spent = used.ru_utime + used.ru_stime
        if alive:
            self._tell({"status": status, "cpu": spent, "rss": used.ru_maxrss, "left": left})
        return alive

    def _tell(self, what: dict[str, Any]) -> None:
        self._control.sendall(json.dumps(what).encode() + b"\n")


def _kill_what_is_left() -> int:
    """Children that this process has without having made them: programs cannot fork, so there are none."""
    found = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        found += 1
        if pid == 0:
            for child in _children():
                os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def main() -> None:
    """`launcher DESCRIPTOR SETTINGS`: serves the socket that it was given."""
    import ctypes
    import importlib

    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: whatever is left comes to this process
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # when memory runs out, the kernel takes a program and not the grader
    lockdown.hide()
    sys.path[:] = [path for path in sys.path if path != settings["source"]] + settings["packages"]
    for name in LIKELY:
        importlib.import_module(name)
    random.seed(0)
    resource.setrlimit(resource.RLIMIT_STACK, (lockdown.STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    cell = lockdown.prepare(settings["slot"], settings["folders"], with_landlock=settings["landlock"])
    control.sendall(json.dumps({"measures": lockdown.measures(cell)}).encode() + b"\n")
    gc.collect()
    gc.disable()
    gc.freeze()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        Launcher(control, cell).serve()
