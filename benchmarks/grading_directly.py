r"""math-verify called directly, as the published harness calls it: pairs of right answer and response in, verdicts out.

    python -m benchmarks.grading_directly < PAIRS.json

`verify(parse(right), parse(given))` with its defaults, in a pool of two processes. A program of its own, so that its
workers import nothing else; `grading_math` starts it and says what its numbers mean.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.pool import Pool

WORKERS = 2


def compare(pair: tuple[str, str]) -> bool:
    """In a worker."""
    from math_verify import parse, verify

    from gopd_eval.core.answers import seed_answer

    right, text = pair
    answer = seed_answer(text)
    return answer is not None and bool(verify(parse(f"\\boxed{{{right}}}"), parse(f"\\boxed{{{answer.text}}}")))


def _shared(pool: Pool, work: Callable[[tuple[str, str]], bool], pairs: list[tuple[str, str]]) -> list[bool]:
    return pool.map(work, pairs, chunksize=8)


def main() -> None:
    """Grade what is on standard input."""
    from benchmarks.machine import clock, used

    pairs = json.load(sys.stdin)
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        _shared(pool, compare, [("y", rf"\boxed{{x+{n}}}") for n in range(40)])
        pids = [process.pid for process in multiprocessing.active_children() if process.pid]
        started = clock(pids)
        verdicts = _shared(pool, compare, pairs)
        ended = clock(pids)
        memory = sum(used(pid).peak for pid in pids)
    seconds, processor = (after - before for before, after in zip(started, ended, strict=True))
    found = {"start": started[0] - began, "seconds": seconds, "processor": processor, "memory": memory}
    print(json.dumps({**found, "verdicts": verdicts}))


if __name__ == "__main__":
    main()
