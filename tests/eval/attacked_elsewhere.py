"""The core of the attacks by another user, or on a kernel without Landlock; a process of its own, that prints JSON.

    python -m tests.eval.attacked_elsewhere

`elsewhere` starts it: as an ordinary user, or behind a filter that answers Landlock's calls as an old kernel does.
"""

import ctypes
import errno
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.eval.arena import HONEST, set_up
from tests.eval.code_attacks import FORGERIES, HARMS

from gopd_eval.shell.code.inside import seccomp

NOBODY = 65534
READ_SEARCH = 2
"""CAP_DAC_READ_SEARCH: the interpreter of the tests may lie in a folder of root alone."""
LANDLOCK = 444
THREADED = """
import threading
def double(x):
    found = []
    threads = [threading.Thread(target=found.append, args=(x,)) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return sum(found)
"""


def main() -> None:
    """Attack, and print what the sandbox says of itself and which attacks got through."""
    through = {}
    with tempfile.TemporaryDirectory() as folder, set_up(Path(folder)) as arena:
        for name, program in {**HARMS, **FORGERIES}.items():
            grade = arena.attacked(program)
            if grade.verdict == "correct":
                through[name] = grade.detail
        for _ in range(100):  # as many as started elsewhere since, for all that the grader knows
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        time.sleep(1.1)
        honest, threaded = arena.grade(HONEST, THREADED)
        found = {
            "user": os.getuid(),
            "isolation": arena.grader.isolation,
            "through": through,
            "honest": {honest.verdict, threaded.verdict},
        }
    print(json.dumps(found, default=sorted))


def elsewhere(*, ordinary: bool, landlock: bool) -> dict[str, Any]:
    """What `main` says there."""

    def change() -> None:
        if ordinary and os.getuid() == 0:
            _become_nobody()
        if not landlock:
            _forget_landlock()

    command = [sys.executable, "-m", "tests.eval.attacked_elsewhere"]
    root = Path(__file__).resolve().parents[2]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "SECRET": "hunter2"}
    ran = subprocess.run(
        command, preexec_fn=change, cwd=root, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _become_nobody() -> None:
    """Without any capability but reading."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    libc.prctl(8, 1, 0, 0, 0)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    one = 1 << READ_SEARCH
    header, sets = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", one, one, one, 0, 0, 0)
    if libc.capset(header, sets) != 0 or libc.prctl(47, 2, READ_SEARCH, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "capabilities")


def _forget_landlock() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK), (0x06, 0, 0, 0x00050000 | errno.ENOSYS), (0x06, 0, 0, 0x7FFF0000)]
    seccomp.install(b"".join(struct.pack("=HBBI", *step) for step in steps))


if __name__ == "__main__":
    main()
