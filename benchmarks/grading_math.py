r"""Mathematics graded here and by math-verify called directly: answers a second, start, memory. One run, interleaved.

    python -m benchmarks.grading_math [--repeats 5]

Both get the same responses and two workers. Directly means as the published harness calls it: `verify(parse(right),
parse(given))` with its defaults, in a pool of two processes. Here it is the whole of `strict`: taking the answer out of
the response, spelling, limits, comparison. Three sets: integers as AIME has them, 30 problems with 32 responses each;
expressions as HMMT has them, likewise; and expressions that are all different, so that nothing was compared before.
On a busy machine the clock says little; processor time an answer, of the grader and its workers, says more.
"""

import multiprocessing
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.pool import Pool
from typing import Any

import click
from benchmarks.machine import machine, used
from rich.console import Console
from rich.table import Table

from gopd_eval.core.answers import seed_answer
from gopd_eval.core.grading import begin_grade
from gopd_eval.core.samples import Sample
from gopd_eval.shell.equality import Equality

WORKERS = 2
SAMPLES = 32
Pair = tuple[str, str]
"""Right answer, response."""


@dataclass(frozen=True)
class Run:
    """One way through one set."""

    start: float
    """Seconds to the first comparisons."""
    seconds: float
    processor: float
    """Seconds of the grader and its workers."""
    memory: float
    """MiB of all workers at the most."""
    verdicts: list[bool]


def measure(repeats: int = 5) -> dict[str, Any]:
    """Everything that is measured, one number a repeat.

    `rates` (answers a second) and `processor` (milliseconds an answer) by set and way, `start` (seconds to the first
    comparisons) and `memory` (MiB of both workers) by way, `right` (answers found right) by set and way.
    """
    sets = {"integers, AIME-like": integers(), "expressions, HMMT-like": expressions(), "all different": different()}
    ways = {"here": _here, "directly": _directly}
    found: dict[str, Any] = {"machine": machine(), "workers": WORKERS, "answers": {n: len(p) for n, p in sets.items()}}
    found |= {what: {name: {way: [] for way in ways} for name in sets} for what in ("rates", "processor", "right")}
    found |= {what: {way: [] for way in ways} for what in ("start", "memory")}
    for _ in range(repeats):
        for name, pairs in sets.items():
            for way, work in ways.items():
                one = work(pairs)
                found["start"][way].append(one.start)
                found["memory"][way].append(one.memory)
                found["rates"][name][way].append(len(pairs) / one.seconds)
                found["processor"][name][way].append(1000 * one.processor / len(pairs))
                found["right"][name][way].append(sum(one.verdicts))
    return found


def _clock(pids: list[int]) -> tuple[float, float]:
    """Seconds by the clock, and of processors."""
    return time.monotonic(), time.process_time() + sum(used(pid).processor for pid in pids)


def _here(pairs: list[Pair]) -> Run:
    samples = [(right, Sample(str(n), 0, 0, 0, [], text, "stop")) for n, (right, text) in enumerate(pairs)]
    began = time.monotonic()
    with Equality(lambda: None, slots=WORKERS) as equality:
        list(equality.in_order(lambda given: equality.compare("y", given, "strict"), [f"x+{n}" for n in range(40)]))
        started = _clock(equality.pids)
        grades = equality.grades(begin_grade(sample, right, "strict") for right, sample in samples)
        verdicts = [grade.verdict == "correct" for grade in grades]
        ended = _clock(equality.pids)
        memory = sum(used(pid).peak for pid in equality.pids)
    return Run(started[0] - began, ended[0] - started[0], ended[1] - started[1], memory, verdicts)


def _directly(pairs: list[Pair]) -> Run:
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        _shared(pool, compare_directly, [("y", rf"\boxed{{x+{n}}}") for n in range(40)])
        pids = [process.pid for process in multiprocessing.active_children() if process.pid]
        started = _clock(pids)
        verdicts = _shared(pool, compare_directly, pairs)
        ended = _clock(pids)
        memory = sum(used(pid).peak for pid in pids)
    return Run(started[0] - began, ended[0] - started[0], ended[1] - started[1], memory, verdicts)


def _shared(pool: Pool, work: Callable[[Pair], bool], pairs: list[Pair]) -> list[bool]:
    return pool.map(work, pairs, chunksize=8)


def compare_directly(pair: Pair) -> bool:
    """As the published harness does it, in a worker."""
    from math_verify import parse, verify

    right, text = pair
    answer = seed_answer(text)
    return answer is not None and bool(verify(parse(f"\\boxed{{{right}}}"), parse(f"\\boxed{{{answer.text}}}")))


def _responses(right: str, spellings: list[str], chance: random.Random) -> list[Pair]:
    """As a model answers: half of the time right, in one of its spellings, else one of a few wrong ones."""
    return [(right, f"So we get that\n\n$$\\boxed{{{chance.choice(spellings)}}}$$\n") for _ in range(SAMPLES)]


def integers() -> list[Pair]:
    """30 problems: mostly plain digits, now and then leading zeros, an equation, degrees or a unit."""
    chance = random.Random(0)
    pairs: list[Pair] = []
    for _ in range(30):
        right = chance.randrange(1000)
        others = [str(chance.randrange(1000)) for _ in range(4)]
        rare = [f"{right:03d}", f"{right}^\\circ", f"{right}\\text{{ units}}", f"n = {right}"]
        pairs += _responses(str(right), [str(right)] * 5 + others + [chance.choice(rare)], chance)
    return pairs


def expressions() -> list[Pair]:
    """30 problems: radicals, fractions of radicals, multiples of pi, in several spellings, and some wrong answers."""
    chance = random.Random(1)
    pairs: list[Pair] = []
    for _ in range(30):
        right, *spellings = _expression(chance)
        pairs += _responses(right, [right] * 3 + spellings * 2 + _expression(chance)[:2], chance)
    return pairs


def different() -> list[Pair]:
    """Right answers and responses that occur once."""
    chance = random.Random(2)
    found: dict[str, Pair] = {}
    while len(found) < 300:
        right, *spellings = _expression(chance)
        found[right] = (right, f"Thus $\\boxed{{{chance.choice([*spellings, _expression(chance)[0]])}}}$.")
    return list(found.values())


def _expression(chance: random.Random) -> list[str]:
    """An expression, and three ways to write the same."""
    a, b, c, d = (chance.randrange(2, 30) for _ in range(4))
    forms = [
        [rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}", rf"\sqrt{{{b}}} \cdot {a}",
         rf"\frac{{{a * b}}}{{\sqrt{{{b}}}}}"],
        [rf"{a}-\frac{{{b}}}{{\pi}}", rf"\frac{{{a}\pi-{b}}}{{\pi}}", rf"-\frac{{{b}}}{{\pi}}+{a}", rf"{a} - {b}/\pi"],
        [rf"\frac{{{a}+\sqrt{{{b}}}}}{{{c}}}", rf"\frac{{\sqrt{{{b}}}+{a}}}{{{c}}}",
         rf"\frac{{{a}}}{{{c}}}+\frac{{\sqrt{{{b}}}}}{{{c}}}", rf"\dfrac{{{a * d}+{d}\sqrt{{{b}}}}}{{{c * d}}}"],
        [rf"2^{{{a}}} \cdot {b}!", rf"{b}! \cdot 2^{{{a}}}", rf"2^{{{a - 1}}} \cdot {b}! \cdot 2", rf"{b}!2^{{{a}}}"],
    ]  # fmt: skip
    return chance.choice(forms)


def _spread(values: list[float], digits: int = 0) -> str:
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


@click.command()
@click.option("--repeats", default=5, show_default=True)
def main(repeats: int) -> None:
    """Measure and print."""
    found = measure(repeats)
    console = Console(width=140)
    console.print(f"{found['machine']}; {WORKERS} workers, {repeats} repeats: median (least to most)")
    table = Table("set", "answers", "what", "here", "math-verify directly", "times better")
    for name, answers in found["answers"].items():
        rates, costs, right = (found[what][name] for what in ("rates", "processor", "right"))
        _row(table, [name, str(answers), "answers a second"], rates, _ratios(rates["here"], rates["directly"]), 0)
        _row(table, ["", "", "processor ms an answer"], costs, _ratios(costs["directly"], costs["here"]), 2)
        _row(table, ["", "", "right"], right, None, 0)
    console.print(table)
    for what, unit, digits in (("start", "s to the first comparisons", 1), ("memory", "MiB of both workers", 0)):
        console.print(f"{unit}: " + ", ".join(f"{way} {_spread(found[what][way], digits)}" for way in found[what]))


def _ratios(above: list[float], below: list[float]) -> list[float]:
    return [one / other for one, other in zip(above, below, strict=True)]


def _row(
    table: Table, first: list[str], values: dict[str, list[float]], ratios: list[float] | None, digits: int
) -> None:
    last = _spread(ratios, 1) if ratios else ""
    table.add_row(*first, _spread(values["here"], digits), _spread(values["directly"], digits), last)


if __name__ == "__main__":
    main()
