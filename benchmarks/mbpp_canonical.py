"""Every canonical solution of an EvalPlus file is right, and with one mutation it is not, or nothing has changed.

    python -m benchmarks.mbpp_canonical FILE [--busy] [--no-mutations] [--preset strict]

FILE is MbppPlus.jsonl or another file in its format, as published. `--busy` keeps every core busy meanwhile: verdicts
must stay the same. Mutations that pass are listed, to be read: equivalent, or not seen by the tests.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from benchmarks.machine import machine
from benchmarks.mutations import mutation_of

from gopd_eval.core.code.tests import FunctionTests, evalplus_tests
from gopd_eval.core.grading import Preset
from gopd_eval.core.samples import Grade, Sample
from gopd_eval.shell.code.grader import CodeGrader, CodeWork


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy_cores(wanted: bool) -> Iterator[None]:
    """Every core has other work while this lasts."""
    spinners = [multiprocessing.Process(target=_spin, daemon=True) for _ in range((os.cpu_count() or 1) * wanted)]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def work_of(tests: FunctionTests, program: str) -> CodeWork:
    """A response that gives the program in a fenced block."""
    return CodeWork(Sample(tests.task_id, 0, 0, 1, [1], f"```python\n{program}\n```", "stop"), tests)


def graded(tasks: list[FunctionTests], programs: dict[str, str], preset: Preset) -> dict[str, Grade]:
    """Grades of the programs, by task."""
    with CodeGrader(lambda: None) as grader:
        print(grader.isolation)
        work = (work_of(tests, programs[tests.task_id]) for tests in tasks if tests.task_id in programs)
        return {grade.problem: grade for grade in grader.grade(work, preset)}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--busy", is_flag=True, help="Keep every core busy meanwhile.")
@click.option("--mutations/--no-mutations", default=True, help="Also grade each solution with one mutation.")
@click.option("--preset", type=click.Choice(["strict", "seed"]), default="strict")
def main(file: Path, busy: bool, mutations: bool, preset: Preset) -> None:
    """Grade every canonical solution of FILE, and each with one mutation."""
    lines = file.read_text(encoding="utf-8").splitlines()
    tasks = [evalplus_tests(json.loads(line), f"line {n}", "FILE") for n, line in enumerate(lines, 1) if line.strip()]
    print(f"{machine()}{', every core kept busy' if busy else ''}; preset {preset}")
    with busy_cores(busy):
        started = time.monotonic()
        right = graded(tasks, {tests.task_id: tests.reference for tests in tasks}, preset)
        failed = [grade for grade in right.values() if grade.verdict != "correct"]
        passed = len(right) - len(failed)
        print(f"canonical solutions: {passed} of {len(tasks)} pass, {time.monotonic() - started:.0f} s")
        for grade in failed:
            print(f"  {grade.problem}: {grade.verdict} ({grade.detail})")
        if mutations:
            _mutated(tasks, preset)
    raise SystemExit(bool(failed))


def _mutated(tasks: list[FunctionTests], preset: Preset) -> None:
    mutants = {tests.task_id: found for tests in tasks if (found := mutation_of(tests.reference, tests.entry_point))}
    grades = graded(tasks, {name: mutant.program for name, mutant in mutants.items()}, preset)
    survivors = {name: mutants[name].change for name, grade in grades.items() if grade.verdict == "correct"}
    print(
        f"mutations: {len(grades) - len(survivors)} of {len(grades)} are refused ({len(tasks) - len(grades)} have none)"
    )
    for name in sorted(survivors, key=lambda name: int(name.rpartition("/")[2])):
        print(f"  passes: {name}: {survivors[name]}")


if __name__ == "__main__":
    main()
