"""How fast answers are graded: code beside evalplus 0.3.1, mathematics beside math-verify called directly.

    python -m benchmarks.grading [--repeats 5]

One run, in turns: in each repeat every way grades the same samples with two workers, one after the other. A ratio
is of two measurements that lie seconds apart. What is measured is decided by `grading_code` and `grading_math`.
"""

import os
import statistics
import tempfile
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import click
from benchmarks import grading_code, grading_math
from benchmarks.machine import machine
from rich.console import Console
from rich.table import Table

Code = dict[tuple[int, str], list[grading_code.Run]]
"""By number of tests and way; the runs that were watched have 0 tests."""
Mathematics = dict[tuple[str, str], list[grading_math.Run]]
"""By set and way."""


def measure(repeats: int) -> tuple[Code, Mathematics]:
    """Every way through everything, in turns."""
    code: Code = defaultdict(list)
    mathematics: Mathematics = defaultdict(list)
    sets = {name: made() for name, made in grading_math.SETS.items()}
    with tempfile.TemporaryDirectory() as folder:
        ways = grading_code.ways(Path(folder))
        for _ in range(repeats):
            for tests in grading_code.TESTS:
                for way, work in ways.items():
                    code[tests, way].append(work(tests, False))
            for way, work in ways.items():
                code[0, way].append(work(grading_code.WATCHED, True))
            for name, pairs in sets.items():
                for way, grade in grading_math.WAYS.items():
                    mathematics[name, way].append(grade(pairs))
    return code, mathematics


def spread(values: list[float], digits: int = 0) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratios(above: list[float], below: list[float]) -> str:
    """How many times the one is the other, repeat by repeat."""
    return spread([one / other for one, other in zip(above, below, strict=True)], 1)


def code_table(code: Code) -> Table:
    """Samples a second, and what a test more costs a worker here."""
    columns = "tests a sample", "samples/s here", "samples/s evalplus", "times better", "ms a further test, here"
    table = Table(*columns, "least right of 100, here and evalplus")
    further: list[list[float]] = [[]]
    for few, many in pairwise(grading_code.TESTS):
        pairs = zip(code[few, "here"], code[many, "here"], strict=True)
        workers = 1000 * grading_code.WORKERS / (many - few)
        further.append([workers * (1 / more.rate - 1 / less.rate) for less, more in pairs])
    for tests, costs in zip(grading_code.TESTS, further, strict=True):
        here, there = ([run.rate for run in code[tests, way]] for way in ("here", "evalplus"))
        row = [str(tests), spread(here), spread(there), ratios(here, there), spread(costs, 3) if costs else ""]
        table.add_row(*row, ", ".join(str(min(run.right for run in code[tests, way])) for way in ("here", "evalplus")))
    return table


def mathematics_table(runs: Mathematics) -> Table:
    """Answers a second, processor time an answer, and how many were found right."""
    table = Table("set", "answers", "what", "here", "math-verify directly", "times better")
    for name in grading_math.SETS:
        here, there = runs[name, "here"], runs[name, "directly"]
        answers = len(here[0].verdicts)
        rates = [[answers / run.seconds for run in side] for side in (here, there)]
        costs = [[1000 * run.processor / answers for run in side] for side in (here, there)]
        table.add_row(name, str(answers), "answers a second", *map(spread, rates), ratios(*rates))
        table.add_row("", "", "processor ms an answer", *(spread(cost, 3) for cost in costs), ratios(*reversed(costs)))
        table.add_row("", "", "right", *(spread([sum(run.verdicts) for run in side]) for side in (here, there)), "")
    return table


def costs_table(code: Code, mathematics: Mathematics) -> Table:
    """Start and memory of both halves."""
    table = Table("what it takes", "here", "the other")
    starts = [[run.start for tests in grading_code.TESTS for run in code[tests, way]] for way in ("here", "evalplus")]
    memory = [[run.memory for run in code[0, way]] for way in ("here", "evalplus")]
    table.add_row("code: s from the command to the first verdict", *(spread(side, 1) for side in starts))
    table.add_row("code: MiB of all processes, shared pages once", *map(spread, memory))
    sides = [[run for name in grading_math.SETS for run in mathematics[name, way]] for way in ("here", "directly")]
    table.add_row(
        "mathematics: s to the first comparisons", *(spread([run.start for run in side], 1) for side in sides)
    )
    table.add_row("mathematics: MiB of both workers", *(spread([run.memory for run in side]) for side in sides))
    return table


@click.command()
@click.option("--repeats", default=5, show_default=True)
def main(repeats: int) -> None:
    """Measure and print."""
    console = Console(width=140)
    console.print(f"{machine()}; two workers, {repeats} repeats: median (least to most)")
    code, mathematics = measure(repeats)
    for table in (code_table(code), mathematics_table(mathematics), costs_table(code, mathematics)):
        console.print(table)
    console.print(f"load average {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
