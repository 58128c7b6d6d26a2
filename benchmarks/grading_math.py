r"""Mathematics graded here and by math-verify called directly: one half of `benchmarks.grading`, which prints it.

Both get the same responses and two workers; `grading_directly` says what directly means. Here it is the whole of
`strict`: taking the answer out of the response, spelling, limits, comparison. Three sets: integers as AIME has them, 30
problems with 32 responses each; expressions as HMMT has them, likewise; and expressions that are all different, so that
nothing was compared before. On a busy machine the clock says little; processor time an answer, of the grader and its
workers, says more.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import clock, used

from gopd_eval.core.grading import begin_grade
from gopd_eval.core.samples import Sample
from gopd_eval.shell.equality import Equality

ROOT = Path(__file__).resolve().parents[1]
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


def here(pairs: list[Pair]) -> Run:
    """As `strict` grades."""
    samples = [(right, Sample(str(n), 0, 0, 0, [], text, "stop")) for n, (right, text) in enumerate(pairs)]
    began = time.monotonic()
    with Equality(lambda: None, slots=WORKERS) as equality:
        list(equality.in_order(lambda given: equality.compare("y", given, "strict"), [f"x+{n}" for n in range(40)]))
        started = clock(equality.pids)
        grades = equality.grades(begin_grade(sample, right, "strict") for right, sample in samples)
        verdicts = [grade.verdict == "correct" for grade in grades]
        ended = clock(equality.pids)
        memory = sum(used(pid).peak for pid in equality.pids)
    return Run(started[0] - began, ended[0] - started[0], ended[1] - started[1], memory, verdicts)


def directly(pairs: list[Pair]) -> Run:
    """As the published harness grades."""
    command = [sys.executable, "-m", "benchmarks.grading_directly"]
    ran = subprocess.run(command, input=json.dumps(pairs), stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return Run(**json.loads(ran.stdout))


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


SETS: dict[str, Callable[[], list[Pair]]] = {
    "integers, AIME-like": integers, "expressions, HMMT-like": expressions, "all different": different,
}  # fmt: skip
WAYS: dict[str, Callable[[list[Pair]], Run]] = {"here": here, "directly": directly}
