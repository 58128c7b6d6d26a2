r"""Taking the answer out of a response, by preset.

`strict`: the last box that is closed and not empty, `\boxed{...}`, `\fbox{...}` or `\boxed 5`, after the model's
thinking; boxes joined by "or", "and" or a comma are one answer, so that naming several is not naming one; without a box
the last number, unless the response was cut. `seed`: the last `\boxed{...}` of the whole response and nothing else, as
the published harness takes it. Whether an answer is right is decided elsewhere.
"""

import re
from dataclasses import dataclass
from functools import reduce

from gopd_eval.core.samples import Finish

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BARE_CONTENT = re.compile(r"(?!\\(?:boxed|fbox))[^\s${}]+")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_NOT_SPACE = re.compile(r"\S")
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


@dataclass(frozen=True)
class _Span:
    """A box, and its content from `start` to `end`."""

    box_start: int
    start: int
    end: int
    box_end: int


def strict_answer(response: str, finish: Finish) -> Answer | None:
    """The answer that the response gives, or None when it gives none.

    A cut response answers only by a closed box: the last number of an unfinished text is no answer.
    """
    visible = without_thinking(response)
    boxes = _boxes(visible)
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
    """Closed outermost boxes that hold something, in order; a box inside a box gives the inner content.

    The time grows with the length of the text only: a model that repeats itself opens thousands of boxes.
    """
    spans = [span for span in _spans(text) if _NOT_SPACE.search(text, span.start, span.end)]
    boxes: list[_Box] = []
    place = 0
    while place < len(spans):
        outer = spans[place]
        inside = place + 1
        while inside < len(spans) and spans[inside].start < outer.end:
            inside += 1
        within = sorted(spans[place + 1 : inside], key=lambda span: span.end, reverse=True)
        inner = reduce(
            lambda box, span: span if span.start >= box.start and span.end <= box.end else box, within, outer
        )
        boxes.append(_Box(outer.box_start, outer.box_end, text[inner.start : inner.end]))
        place = inside
    return boxes


def _spans(text: str) -> list[_Span]:
    """Where the contents of closed boxes are, in order of their starts."""
    found = list(_BOX.finditer(text))
    closing = _closing_braces(text, found[0].end()) if found else {}
    spans = []
    for box in found:
        if (end := closing.get(box.end())) is not None:
            spans.append(_Span(box.start(), box.end() + 1, end, end + 1))
        elif not text.startswith("{", box.end()) and (bare := _BARE_CONTENT.match(text, box.end())):
            end = bare.start() + len(bare.group().rstrip(".,;"))
            spans.append(_Span(box.start(), bare.start(), end, bare.end()))
    return spans


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """Where each brace from `start` on is closed; an escaped brace is a character of the answer."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for mark in _BRACE.finditer(text, start):
        if mark.group() == "{":
            opened.append(mark.start())
        elif mark.group() == "}" and opened:
            closing[opened.pop()] = mark.start()
    return closing


def _joined_tail(text: str, boxes: list[_Box]) -> str:
    """The last box, with those before it that only a joining word separates from it."""
    contents = [boxes[-1].content]
    for earlier, later in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        between = text[earlier.end : later.start]
        if len(between) > 40 or not _JOINT.fullmatch(between):
            break
        contents.insert(0, earlier.content)
    return ", ".join(dict.fromkeys(content.strip() for content in contents))
