"""Runs programs as the published graders do, whose quirks change verdicts: what preset `seed` promises.

Over standard input, the published grader does not run a script. It puts the program's statements into a function, below
star imports, and calls it with a text object in the place of standard input and of standard output: whatever asks for
bytes or descriptors finds nothing. It also takes some names away before. All of it is imitated here, by our own means.
"""

import ast
import builtins
import io
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

STARS = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys json "
    "builtins typing"
).split()
IMPORTS = STARS[:-2]
ABSENT = ("ipdb", "joblib", "resource", "psutil", "tkinter")
_OS = (
    "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate replace "
    "unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir"
).split()


def take_names_away() -> None:
    """The names that the published graders set to None."""
    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in _OS:
        setattr(os, name, None)
    for name in ("quit", "help"):
        setattr(builtins, name, None)
    subprocess.Popen = None  # type: ignore[assignment,misc]


def as_function(program: str) -> str:
    """The program with its statements in a function, imports before it; unchanged where it cannot be parsed."""
    try:
        body = _without_main_guard(ast.parse(program).body)
        imports = [part for part in body if isinstance(part, ast.Import | ast.ImportFrom)]
        others = [part for part in body if not isinstance(part, ast.Import | ast.ImportFrom)]
        function = ast.parse("def wrapped_function(): pass").body[0]
        assert isinstance(function, ast.FunctionDef)
        function.body = others
        return "\n".join([*map(ast.unparse, imports), ast.unparse(function)])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program


def _without_main_guard(body: list[ast.stmt]) -> list[ast.stmt]:
    last = body[-1] if body else None
    if isinstance(last, ast.If) and ast.unparse(last.test).strip() == "__name__ == '__main__'":
        return [*body[:-1], *last.body]
    return body


class _Text(io.StringIO):
    """Standard input as the published grader has it: three methods that do not know of each other."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text, self._lines = text, iter(text.split("\n"))

    def readline(self, *_: Any) -> str:  # type: ignore[override]
        """Without the line's end; StopIteration after the last."""
        return next(self._lines)

    def readlines(self, *_: Any) -> list[str]:  # type: ignore[override]
        """Without ends, from the start, however often."""
        return self._text.split("\n")

    def read(self, *_: Any) -> str:
        """Everything, from the start, however often."""
        return self._text


class _Kept(io.StringIO):
    """Standard output that cannot be closed."""

    def close(self) -> None:
        """Nothing: what was written is still wanted."""


def callable_of(names: dict[str, Any], job: dict[str, Any]) -> Callable[[str], str]:
    """What gives a case's output for its input. A program that mentions a class Solution is looked for there."""
    call = names["Solution"]().wrapped_function if "class Solution" in job["program"] else names["wrapped_function"]

    def given(text: str) -> str:
        real, written = sys.stdout, _Kept()
        sys.stdin, sys.stdout = _Text(text), written
        try:
            call()
        except SystemExit:
            pass
        finally:
            sys.stdout = real
        return written.getvalue()

    return given
