"""The commands of docs/operations.md, block by block: tests run them, each where it can be run."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
ON_A_NODE = "needs a kubelet"
"""Why no API server alone can run a block; the tests on a whole cluster run it."""


@dataclass(frozen=True)
class Block:
    """A fenced block of commands."""

    line: int
    text: str
    not_run: str | None
    """Why an API server alone cannot run it."""


def blocks() -> list[Block]:
    """Every block, in order."""
    page = PAGE.read_text(encoding="utf-8")
    fences = re.finditer(r'^```sh(?: not-run="([^"]+)")?\n(.*?)^```$', page, flags=re.MULTILINE | re.DOTALL)
    return [Block(page[: one.start()].count("\n") + 1, one[2], one[1]) for one in fences]
