"""The table of spellings: what graders disagree about, the verdict of a person, and that of the published harness.

One case a line of `cases/spellings.jsonl`. `box` stands in a box at the end of a response, `response` is the whole of
it; `want` is `right`, `wrong` or `open` (a matter of convention); `published` says whether the seed's evaluation
accepts it. `inferred`: the row was left out of the published table because all graders agreed; what it held is a guess
from the rows around it, and only the totals (93 right, 30 wrong, 10 open) are known.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from gopd_eval.core.samples import Sample

FILE = Path(__file__).parent / "cases" / "spellings.jsonl"


@dataclass(frozen=True)
class Spelling:
    """One case."""

    row: int
    right: str
    want: Literal["right", "wrong", "open"]
    published: bool
    box: str = ""
    response: str = ""
    inferred: bool = False

    def __str__(self) -> str:
        return f"{self.row}: {(self.response or self.box)[:40]!r} for {self.right[:30]!r}"

    def sample(self) -> Sample:
        """The response that gives this answer."""
        return boxed(self.box) if not self.response else answer(self.response)


@cache
def spellings() -> tuple[Spelling, ...]:
    return tuple(Spelling(**json.loads(line)) for line in FILE.read_text(encoding="utf-8").splitlines())


def answer(text: str) -> Sample:
    return Sample("p", 0, 0, 1, [1], text, "stop")


def boxed(text: str) -> Sample:
    return answer(f"So the answer is $\\boxed{{{text}}}$.")
