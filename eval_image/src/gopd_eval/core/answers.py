r"""Taking the answer out of a response, by preset.

`strict`: the last box that is closed and not empty, `\boxed{...}`, `\fbox{...}` or `\boxed 5`, after the model's
thinking; boxes joined by "or", "and" or a comma are one answer, so that naming several is not naming one; without a box
the last number, unless the response was cut. `seed`: the last `\boxed{...}` of the whole response and nothing else, as
the published harness takes it. Whether an answer is right is decided elsewhere.
"""

import re
from dataclasses import dataclass

from gopd_eval.core.samples import Finish

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BARE_CONTENT = re.compile(r"[^\s${}]+")
_JOINT = re.compile(r"[\s$]*(?:[,;]?\s*(?:or|and)\b|[,;]|\\text\{\s*(?:or|and)\s*\}|\\quad)[\s$]*(?:\w+\s*=)?[\s$]*")
_NUMBER = re.compile(
    r"(?:(?<![\d)\w}])[-−])?"
    r"(?:\\[dt]?frac\{\d+\}\{\d+\}"
    r"|(?<![\w.])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?(?:\\?%)?"
    r"|(?<![\w.])\.\d+)"
)


@dataclass(frozen=True)
class Answer:
    """A candidate for comparison, and where it stood: `box` or `last number`."""

    text: str
    source: str


@dataclass(frozen=True)
class _Box:
    start: int
    end: int
    content: str


def strict_answer(response: str, finish: Finish) -> Answer | None:
    """The answer that the response gives, or None when it gives none.

    A cut response answers only by a closed box: the last number of an unfinished text is no answer.
    """
    visible = without_thinking(response)
    boxes = [box for box in _boxes(visible) if box.content.strip()]
    if boxes:
        return Answer(_joined_tail(visible, boxes), "box")
    if finish == "length":
        return None
    numbers = _NUMBER.findall(visible)
    return Answer(numbers[-1], "last number") if numbers else None


def seed_answer(response: str) -> Answer | None:
    r"""The last `\boxed{...}` by counting braces, as published: no `\fbox`, no space, no box left open, no other
    number.
    """
    start = response.rfind("\\boxed")
    if start < 0 or not response.startswith("\\boxed{", start):
        return None
    depth = 0
    for place in range(start + len("\\boxed"), len(response)):
        depth += {"{": 1, "}": -1}.get(response[place], 0)
        if depth == 0:
            return Answer(response[start + len("\\boxed{") : place], "box")
    return None


def without_thinking(response: str) -> str:
    """The response after the model's thinking; nothing when the thinking was opened and never closed."""
    _, closed, after = response.rpartition("</think>")
    if closed:
        return after
    before, opened, _ = response.partition("<think>")
    return before if opened else response


def _boxes(text: str) -> list[_Box]:
    """Closed outermost boxes, in order; a box inside a box gives the inner content."""
    boxes: list[_Box] = []
    place = 0
    while found := _BOX.search(text, place):
        box = _braced(text, found) if text.startswith("{", found.end()) else _bare(text, found)
        place = box.end if box else found.end()
        if box:
            boxes.append(box)
    return boxes


def _braced(text: str, found: re.Match[str]) -> _Box | None:
    depth = 0
    place = found.end()
    while place < len(text):
        if text[place] == "\\":
            place += 2  # an escaped brace is a character of the answer
            continue
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        place += 1
        if depth == 0:
            content = text[found.end() + 1 : place - 1]
            inner = [box for box in _boxes(content) if box.content.strip()]
            return _Box(found.start(), place, inner[-1].content if inner else content)
    return None


def _bare(text: str, found: re.Match[str]) -> _Box | None:
    content = _BARE_CONTENT.match(text, found.end())
    return _Box(found.start(), content.end(), content.group().rstrip(".,;")) if content else None


def _joined_tail(text: str, boxes: list[_Box]) -> str:
    """The last box, with those before it that only a joining word separates from it."""
    contents = [boxes[-1].content]
    for earlier, later in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        between = text[earlier.end : later.start]
        if len(between) > 40 or not _JOINT.fullmatch(between):
            break
        contents.insert(0, earlier.content)
    return ", ".join(dict.fromkeys(content.strip() for content in contents))
