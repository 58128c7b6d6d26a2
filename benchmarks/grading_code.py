"""Code samples a second, in the sandbox and by evalplus 0.3.1: the same samples and tests, two workers each, in turns.

    python -m benchmarks.grading_code [--repeats 3]

evalplus runs in an environment of its own that is made for this and thrown away; it forks twice for each sample, for
base and plus tests. The task is our own, with as many tests as `TESTS` says.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click
from benchmarks.machine import machine
from rich.console import Console
from rich.table import Table

from gopd_eval.core.code.tests import FunctionTests
from gopd_eval.core.samples import Sample
from gopd_eval.shell.code.grader import CodeGrader, CodeWork

WORKERS, SAMPLES, BASE = 2, 100, 5
TESTS = (20, 100, 750)
PROGRAM = "def spread(xs):\n    return sorted(set(xs)), max(xs) - min(xs)\n"
ROOT = Path(__file__).resolve().parents[1]
Inputs = list[list[list[int]]]
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
    with ThreadPoolExecutor(given["workers"]) as pool:
        started = time.monotonic()
        found = list(pool.map(check, range(given["samples"])))
        seconds = time.monotonic() - started
    assert all(part == "pass" for parts in found for part in parts), found[:3]
    print(seconds)
"""


def measure(repeats: int = 3) -> dict[int, dict[str, list[float]]]:
    """Samples a second of each grader (`sandbox`, `evalplus`) in each round, by the number of tests of a sample."""
    found: dict[int, dict[str, list[float]]] = {tests: {"sandbox": [], "evalplus": []} for tests in TESTS}
    with tempfile.TemporaryDirectory() as name:
        python = _evalplus_environment(Path(name))
        for _ in range(repeats):
            for tests in TESTS:
                inputs = [[[(n * k) % 17 for k in range(1, 9)]] for n in range(1, tests + 1)]
                found[tests]["sandbox"].append(SAMPLES / _sandbox(inputs))
                found[tests]["evalplus"].append(SAMPLES / _evalplus(python, Path(name), inputs))
    return found


def _evalplus_environment(folder: Path) -> Path:
    uv = str(ROOT / "requirements" / "uv.sh")
    subprocess.run(["sh", uv, "venv", "--quiet", "--python", "3.11", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(["sh", uv, "pip", "install", "--quiet", "--python", str(python), "evalplus==0.3.1"], check=True)
    return python


def _sandbox(inputs: Inputs) -> float:
    tests = FunctionTests("Own/1", "spread", PROGRAM, tuple(inputs), BASE, 0.0)
    text = f"```python\n{PROGRAM}```\n"
    with CodeGrader(lambda: None, WORKERS) as grader:
        grader.check_sandbox()
        started = time.monotonic()
        work = (CodeWork(Sample("p", number, 0, 1, [1], text, "stop"), tests) for number in range(SAMPLES))
        verdicts = {grade.verdict for grade in grader.grade(work, "strict")}
        seconds = time.monotonic() - started
    if verdicts != {"correct"}:
        raise RuntimeError(f"the samples are all right, and were graded {verdicts}")
    return seconds


def _evalplus(python: Path, folder: Path, inputs: Inputs) -> float:
    given, script = folder / "given.json", folder / "check.py"
    request = {"program": PROGRAM, "inputs": inputs, "workers": WORKERS, "samples": SAMPLES, "base": BASE}
    given.write_text(json.dumps(request))
    script.write_text(EVALPLUS)
    ran = subprocess.run([str(python), str(script), str(given)], check=True, capture_output=True, text=True, cwd=folder)
    return float(ran.stdout.split()[-1])


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


@click.command()
@click.option("--repeats", default=3, show_default=True)
def main(repeats: int) -> None:
    """Measure and print."""
    console = Console(width=120)
    console.print(f"{machine()}; {WORKERS} workers, {SAMPLES} samples, {repeats} rounds: median (least to most)")
    table = Table("tests a sample", "samples/s, sandbox", "samples/s, evalplus", "times", "ms a test, sandbox")
    for tests, rates in measure(repeats).items():
        times = [one / other for one, other in zip(rates["sandbox"], rates["evalplus"], strict=True)]
        cost = [1000 / rate / tests for rate in rates["sandbox"]]
        table.add_row(str(tests), _spread(rates["sandbox"]), _spread(rates["evalplus"]), _spread(times), _cost(cost))
    console.print(table)


def _cost(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
