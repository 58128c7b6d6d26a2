"""Code samples in the sandbox and by evalplus 0.3.1: one half of `benchmarks.grading`, which runs and prints it.

Each run is a process of its own that says when it had its first verdict and how long `SAMPLES` more took. evalplus lies
in an environment that is made for this and thrown away; it forks twice for each sample, for base and plus tests. The
task is our own, with as many tests as `TESTS` says.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from benchmarks.machine import resident_once

WORKERS, SAMPLES, BASE = 2, 100, 5
TESTS = (20, 100, 750, 3000)
WATCHED = 750
"""Tests of the runs whose memory is looked at: looking takes time, so these are not timed."""
PROGRAM = "def spread(xs):\n    return sorted(set(xs)), max(xs) - min(xs)\n"
ROOT = Path(__file__).resolve().parents[1]
HERE = """
import json, sys, time
from gopd_eval.core.code.tests import FunctionTests
from gopd_eval.core.samples import Sample
from gopd_eval.shell.code.grader import CodeGrader, CodeWork
given = json.load(open(sys.argv[1]))
tests = FunctionTests("Own/1", "spread", given["program"], tuple(given["inputs"]), given["base"], 0.0)
text = "```python\\n" + given["program"] + "```\\n"
def graded(count):
    work = (CodeWork(Sample("p", number, 0, 1, [1], text, "stop"), tests) for number in range(count))
    return [grade.verdict for grade in grader.grade(work, "strict")]
with CodeGrader(lambda: None, given["workers"]) as grader:
    found, first = graded(1), time.monotonic()
    found += graded(given["samples"])
    seconds = time.monotonic() - first
print(json.dumps({"first": first, "seconds": seconds, "right": found[1:].count("correct")}))
"""
EVALPLUS = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from evalplus.eval import untrusted_check
given = json.load(open(sys.argv[1]))
program, inputs = given["program"], given["inputs"]
names = {}
exec(program, names)
wanted = [names["spread"](*each) for each in inputs]
def check(_):
    parts = (slice(0, given["base"]), slice(given["base"], None))
    call = lambda p: untrusted_check(
        "humaneval", program, inputs[p], "spread", wanted[p], 0, [0.0] * len(inputs[p]), True)
    return [call(part)[0] for part in parts]
if __name__ == "__main__":
    found, first = [check(0)], time.monotonic()
    with ThreadPoolExecutor(given["workers"]) as pool:
        found += pool.map(check, range(given["samples"]))
    seconds = time.monotonic() - first
    print(json.dumps({"first": first, "seconds": seconds, "right": found[1:].count(["pass", "pass"])}))
"""


@dataclass(frozen=True)
class Run:
    """One way through `SAMPLES` answers that are all right."""

    start: float
    """Seconds from the command to the first verdict; here the sandbox has been attacked by then."""
    rate: float
    """Samples a second after that."""
    memory: float
    """MiB of all its processes at the most, shared pages counted once; 0 when nobody looked."""
    right: int
    """Samples that were called right, as all are: evalplus' limits go by the clock, and a busy machine exceeds them."""


def ways(folder: Path) -> dict[str, Callable[[int, bool], Run]]:
    """`here` and `evalplus`: a number of tests, and whether to look at memory instead of the clock, to a run."""
    python = _evalplus_environment(folder)
    return {
        "here": lambda tests, watched: _run(Path(sys.executable), HERE, folder, tests, watched),
        "evalplus": lambda tests, watched: _run(python, EVALPLUS, folder, tests, watched),
    }


def _evalplus_environment(folder: Path) -> Path:
    uv = str(ROOT / "requirements" / "uv.sh")
    subprocess.run(["sh", uv, "venv", "--quiet", "--python", "3.11", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(["sh", uv, "pip", "install", "--quiet", "--python", str(python), "evalplus==0.3.1"], check=True)
    return python


def _run(python: Path, text: str, folder: Path, tests: int, watched: bool) -> Run:
    inputs = [[[(n * k) % 17 for k in range(1, 9)]] for n in range(1, tests + 1)]
    given: dict[str, Any] = {"program": PROGRAM, "inputs": inputs, "base": BASE, "workers": WORKERS, "samples": SAMPLES}
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "check.py").write_text(text)
    began, memory = time.monotonic(), 0.0
    command = [str(python), str(folder / "check.py"), str(folder / "given.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        while watched and process.poll() is None:
            memory = max(memory, resident_once(psutil.Process(process.pid)))
            time.sleep(0.02)
        said, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} graded nothing: see above")
    found = json.loads(said.splitlines()[-1])
    return Run(found["first"] - began, SAMPLES / found["seconds"], memory, found["right"])
