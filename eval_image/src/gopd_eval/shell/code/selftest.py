"""Attacks the sandbox before it is trusted: what must fail is tried, and what this kernel cannot hold off is told.

It decides whether to grade at all. The attacks are in `attacks`.
"""

import os
import socket
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from marshal import dumps
from pathlib import Path

from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.code.attacks import REQUIRED, WISHED, program
from gopd_eval.shell.code.pool import Pool
from gopd_eval.shell.code.run import GIB, Ended, Run

UNTOUCHED = "untouched"
HONEST = "def attack(grader, folder, port):\n    return sum(range(10))\n"


@dataclass(frozen=True)
class SandboxReport:
    """What the sandbox is made of here, and what gets through it."""

    measures: tuple[str, ...]
    through: tuple[str, ...]

    def text(self) -> str:
        """For the result."""
        open_ends = f"; not held off: {', '.join(self.through)}" if self.through else ""
        return f"sandbox ({', '.join(self.measures)}){open_ends}"


def self_test(pool: Pool) -> SandboxReport:
    """Raises EvaluationError when an attack gets through that must not, or an honest program does not run."""
    with tempfile.TemporaryDirectory(prefix="gopd-sandbox-") as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = Path(name)
        folder.chmod(0o777)
        canary = folder / "canary"
        canary.write_text(UNTOUCHED)
        canary.chmod(0o666)
        target = [os.getpid(), name, server.getsockname()[1]]
        tasks = [_attack(title, program(body), target) for title, body in {**REQUIRED, **WISHED}.items()]
        through = {title for title, line in pool.do(tasks) if line != b"false"}
        if canary.read_text() != UNTOUCHED or [path.name for path in folder.iterdir()] != ["canary"]:
            through.add("writes a file")
        ((_, honest),) = pool.do([_attack("", HONEST, target)])
    if honest != b"45":
        raise _unavailable("the sandbox runs no program", "see which system calls this container forbids")
    if found := sorted(through & REQUIRED.keys()):
        remedy = "run the grader where the kernel has seccomp and Landlock (5.13 or newer), and lets it drop its user"
        raise _unavailable(f"the sandbox does not hold off a program that {'; '.join(found)}", remedy)
    return SandboxReport(tuple(pool.slots[0].measures or pool.slots[-1].measures), tuple(sorted(through)))


def _unavailable(fault: str, remedy: str) -> EvaluationError:
    return EvaluationError("grade", fault, remedy, "SandboxUnavailable")


def _attack(title: str, text: str, target: list[object]) -> Generator[Run | None, Ended | None, tuple[str, bytes]]:
    """The attack's last line; `false` when it was held off, which an attack that was killed is, too."""
    lines: list[bytes] = []
    job = dumps({"run": "functions", "program": text, "entry": "attack", "inputs": [target]})
    ended = yield Run(job, lambda _: 10.0, 20.0, GIB, lines.append)
    assert ended is not None
    if ended.left:
        return title, b"true"
    return title, lines[-1].replace(b"null", b"false") if lines else b"false"
