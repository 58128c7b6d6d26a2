"""A grader with something to lose, for programs that attack it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gopd_eval.core.code.tests import CodeTests, FunctionTests
from gopd_eval.core.samples import Grade, Sample
from gopd_eval.shell.code import limits
from gopd_eval.shell.code.grader import CodeGrader, CodeWork

TESTS = FunctionTests("Own/1", "double", "def double(x):\n    return 2 * x\n", tuple([n] for n in range(1, 21)), 3, 0.0)
HONEST = "def double(x): return x + x"


@dataclass
class Arena:
    """A grader with something to lose."""

    grader: CodeGrader
    folder: Path
    server: socket.socket

    def grade(self, *programs: str, tests: CodeTests = TESTS) -> list[Grade]:
        work = [
            CodeWork(Sample("p", number, 0, 1, [1], f"```python\n{self.aimed(program)}\n```", "stop"), tests)
            for number, program in enumerate(programs)
        ]
        return sorted(self.grader.grade(work, "strict"), key=lambda grade: grade.sample)

    def aimed(self, program: str) -> str:
        """The attack with what it is aimed at."""
        port = self.server.getsockname()[1]
        return (
            program.replace("{folder}", str(self.folder))
            .replace("{grader}", str(os.getpid()))
            .replace("{port}", str(port))
        )

    def attacked(self, program: str) -> Grade:
        """The grade of the attack; nothing is left of it and an honest program is still right."""
        grade, honest = self.grade(program, HONEST)
        assert honest.verdict == "correct", honest
        assert [path.name for path in self.folder.iterdir()] == ["canary"]
        assert (self.folder / "canary").read_text() == "untouched"
        launchers = {slot.launcher for slot in self.grader.pool.slots} - {None}
        assert children_of(os.getpid()) & launchers == launchers
        assert {child for launcher in launchers for child in children_of(int(launcher or 0))} == set()
        return grade


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@contextmanager
def set_up(folder: Path) -> Iterator[Arena]:
    """With a canary in the folder, a port that waits, and a second for each test."""
    (folder / "canary").write_text("untouched")
    least, limits.LEAST["strict"] = limits.LEAST["strict"], 1.0
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, CodeGrader(lambda: None, 2) as grader:
            yield Arena(grader, folder, server)
    finally:
        limits.LEAST["strict"] = least
