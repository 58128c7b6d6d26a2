"""Runs one program inside the lockdown and writes what it gives: values, or the error that ended a test.

It decides how a program is called. Nothing here knows what is expected, so nothing here can be made to say that a
program is right: a line written here is a value like any other to whoever compares.

Lines: a value as `encode` writes it; `!` and a JSON list of the error's name and text for a test that raised; `#` in
its place when the program itself could not be loaded.
"""

import gc
import json
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any, NoReturn

from gopd_eval.shell.code.inside import as_published
from gopd_eval.shell.code.inside.encode import encode

MEMORY_CODE = 86
"""Exit code of a program that ran out of memory, as far as it says so."""
Job = dict[str, Any]


def failure(mark: bytes, error: BaseException) -> bytes:
    """One line about an error."""
    name, text = type(error).__name__, ""
    try:
        text = str(error)[:200]
    except Exception:  # the program's own class of errors may do anything when it is printed
        text = "?"
    return mark + json.dumps([name, text]).encode()


def write(out: int, line: bytes) -> None:
    """The line, whole."""
    data = memoryview(line + b"\n")
    while data:
        data = data[os.write(out, data) :]


def load(program: str, name: str) -> dict[str, Any]:
    """The names that the program defines, as a module of its own."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(program, "<solution>", "exec"), module.__dict__)
    return module.__dict__


def functions(job: Job, out: int) -> int:
    """Calls the entry point with each list of arguments; a line a test."""
    try:
        call = load(job["program"], "solution")[job["entry"]]
    except MemoryError:
        return MEMORY_CODE
    except BaseException as error:  # a program may raise SystemExit or KeyboardInterrupt as it likes
        write(out, failure(b"#", error))
        return 0
    return _each(job, out, call)


def methods(job: Job, out: int) -> int:
    """Calls a method of `Solution`, or a function where there is no such class; a line a test."""
    try:
        names = load(_preamble(job) + job["program"], "solution")
        entry = job["entry"]
        if "Solution" not in names:
            call = names[entry]
        elif job.get("as_published"):
            call = getattr(names["Solution"](), entry)
        else:  # an object of its own for each test, as the judge makes them

            def call(*arguments: Any) -> Any:
                return getattr(names["Solution"](), entry)(*arguments)
    except MemoryError:
        return MEMORY_CODE
    except BaseException as error:
        write(out, failure(b"#", error))
        return 0
    return _each(job, out, call)


def _preamble(job: Job) -> str:
    """The names that the published grader, and the judge it stands for, give to every solution."""
    if not job.get("preamble"):
        return ""
    stars = "".join(f"from {name} import *\n" for name in as_published.STARS)
    return stars + "".join(f"import {name}\n" for name in as_published.IMPORTS) + "sys.setrecursionlimit(50000)\n"


def _each(job: Job, out: int, call: Callable[..., Any]) -> int:
    spent: list[float] = []
    timed = bool(job.get("timed"))
    for arguments in job["inputs"]:
        started = time.process_time() if timed else 0.0
        try:
            line = encode(call(*arguments))
        except MemoryError:
            return MEMORY_CODE
        except BaseException as error:
            line = failure(b"!", error)
        if timed:
            spent.append(time.process_time() - started)
        write(out, line)
    if timed:
        write(out, b"@" + json.dumps(spent).encode())
    return 0


def program(job: Job, out: int) -> int:
    """Runs the program as a script with descriptors 0 and 1 as its real standard input and output."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]
    sys.argv = ["solution.py"]
    code = 0
    try:
        load(job["program"], "__main__")
    except SystemExit as error:
        code = 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
    except MemoryError:
        code = MEMORY_CODE
    except BaseException as error:
        write(out, failure(b"!", error))
        code = 1
    return _end_of_script(code)


def _end_of_script(code: int) -> int:
    """What the interpreter does at the end: waits for threads, runs exit functions, writes what is buffered."""
    import atexit
    import threading

    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:  # the descriptor may be closed, the object another's: what was written counts
        return code or 120
    return code


def texts(job: Job, out: int) -> int:
    """Runs a program over standard input as the published grader does; a line a case: the text that it wrote."""
    try:
        call = as_published.callable_of(load(_preamble(job) + as_published.as_function(job["program"]), "tmp_sol"), job)
    except BaseException as error:
        write(out, failure(b"#", error))
        return 0
    return _each({**job, "inputs": [[text] for text in job["inputs"]]}, out, call)


RUNS: dict[str, Callable[[Job, int], int]] = {
    "functions": functions, "methods": methods, "program": program, "texts": texts,
}  # fmt: skip


def run(job: Job, out: int) -> NoReturn:
    """Runs the job and ends the process."""
    code = 1
    try:
        gc.enable()
        if job.get("as_published"):
            as_published.take_names_away()
        code = RUNS[job["run"]](job, out)
    except MemoryError:
        code = MEMORY_CODE
    finally:
        os._exit(code)
