"""The commands of docs/operations.md: tests run the blocks, each where it can be run, and rehearse the rest.

Decides what counts as a command, and what is tried of one that cannot be run: that the program knows its words and
options, and that the API server would take what it applies (`REHEARSAL`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
ON_A_NODE = "needs a kubelet"
"""Why no API server alone can run a block; the tests on a whole cluster run it."""
FENCE = re.compile(r'^```sh(?: not-run="([^"]+)")?\n(.*?)^```$', flags=re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:kubectl|helm|gopd) [^`]+)`")
PLACEHOLDERS = {"NAME": "exopd", "FILE": "examples/exopd.yaml"}
REHEARSAL = """
kubectl() {
  local words=()
  for word; do [[ $word == -- ]] && break; words+=("$word"); done
  case " ${words[*]} " in
    *" -w "* | " ${words[0]} ") command kubectl "${words[@]}" --help ;;
    *" apply "*) command kubectl -n team-a "${words[@]}" --dry-run=server ;;
    *" get "*) command kubectl -n team-a "${words[@]}" --ignore-not-found ;;
    *" describe "*) command kubectl -n team-a "${words[@]}" ;;
    *) command kubectl "${words[@]}" --help ;;
  esac
}
helm() { command helm "$@" --help; }
gopd() { command gopd "$@" --help; }
python() { command python "$@" --help; }
tar() { :; }
docker() { :; }
"""
"""What bash is told first: what is only read is read, what is applied is applied without effect, all else is parsed."""


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
    return [Block(page[: one.start()].count("\n") + 1, one[2], one[1]) for one in FENCE.finditer(page)]


def inline() -> list[str]:
    """Commands in sentences and tables, each once, with names in place of NAME and its like."""
    found = dict.fromkeys(INLINE.findall(FENCE.sub("", PAGE.read_text(encoding="utf-8"))))
    return [re.sub(r"\b[A-Z]{4,}\b", lambda word: PLACEHOLDERS[word[0]], one.replace(r"\|", "|")) for one in found]
