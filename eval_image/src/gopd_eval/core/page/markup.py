"""HTML and SVG elements as text. Everything that is not made here is escaped: answers of models are hostile text.

A text becomes markup in `element` and nowhere else, so there is one place where it could be forgotten. It decides
nothing about what a page shows.
"""

import re
from html import escape

VOID = {"meta", "br", "hr", "col", "line", "rect", "circle", "path", "polyline"}
"""Elements that hold nothing; those of SVG close themselves."""
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]")
"""Characters that do not show, or that turn the direction of others round: a reader could be shown another answer."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """An element. Children that are not `Markup` are escaped, attributes always; `class_` is `class`, `a_b` `a-b`."""
    inside = "".join(child if isinstance(child, Markup) else text(child) for child in children)
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given}>" if name in {"meta", "br", "hr", "col"} else f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{inside}</{name}>")


def joined(*parts: str) -> Markup:
    """Elements one after the other; texts among them are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def text(value: str) -> Markup:
    """A text as it can stand anywhere in a document: escaped, whole Unicode, with what does not show made to show."""
    whole = value.replace("\r\n", "\n").encode("utf-8", errors="replace").decode("utf-8")
    return Markup(escape(INVISIBLE.sub(lambda found: f"\N{LEFT CEILING}{ord(found[0]):X}\N{RIGHT CEILING}", whole)))


def _value(value: str | float) -> str:
    """An attribute's text; coordinates have one decimal, which is less than a dot on any screen."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
