r"""One spelling for answers that mean the same, where that is cheap and certain; the rest is for symbolic comparison.

It changes how an answer is written, never its value: unicode signs to LaTeX, digit grouping, units and markup at the
ends, `\pm` to both values, an interval's French brackets, a repeating decimal to its fraction. The same steps are
applied to the right answer, which mends the known misspelling `sqrt` for `\sqrt` in published data.
"""

import re
from fractions import Fraction

_SIGNS = str.maketrans(
    {
        "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ",
        "≥": r"\ge ",
        "∪": r"\cup ", "∩": r"\cap ", "°": r"^\circ", "≈": r"\approx ", "±": r"\pm ", "²": "^2", "³": "^3",
        "½": r"\frac{1}{2}", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "，": ",",
    }
)  # fmt: skip
_STEPS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"√\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"√\s*(\d+|[A-Za-z])", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt(?=\s*[{\d])", r"\\sqrt"),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:left|right)(?![A-Za-z])\s*", ""),
        (r"\\[!;:]", ""),
        (r"(?<=\d)(?:\{,\}|\\,|\\ )(?=\d{3}(?!\d))", ""),
        (r"(?<=\d)\s*\\?,?\s*\\text\{\s*thousand\s*\}", r" \\cdot 10^{3}"),
        (r"(?<=\d)\s*\\?,?\s*\\text\{\s*million\s*\}", r" \\cdot 10^{6}"),
        (r"(?<=\d)\s*\\?,?\s*\\text\{\s*billion\s*\}", r" \\cdot 10^{9}"),
        (
            r"^\\text\{(?![^{}]*\b(?:not|no|least|most|more|less|over|under|about)\b)[^{}]*\}\s*:?\s*(?=[-\d$\\])(?!\\text)",
            "",
        ),
        (r"\\approx.*$", ""),
        (r"(?<=[\d})])\s*\\?,?\s*\^\s*\{?\s*\\circ\s*\}?$", ""),
        (r"(?<=[\d})])\s*\\?,?\s*\\(?:text|mathrm|mbox|textrm)\s*\{[^{}]*\}(?:\s*\^\s*\{?\d\}?)?$", ""),
        (r"^\]\s*([^\[\]]+),([^\[\]]+)\[$", r"(\1,\2)"),
        (r"^\[\s*([^\[\]]+),([^\[\]]+)\[$", r"[\1,\2)"),
        (r"^\]\s*([^\[\]]+),([^\[\]]+)\]$", r"(\1,\2]"),
        (r"(?<![\d.])(\d+)\s+(\d+)/(\d+)$", r"\1\\frac{\2}{\3}"),
        (r"^\\?\$\s*", ""),
    )
)
_GROUPED = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_REPEATING = re.compile(r"(?<![\d.])(\d*)\.(\d*)\\overline\{(\d+)\}")
_DECIMAL = re.compile(r"(?<![\w.])(\d*)\.(\d+)(?![\d.])")
_INTEGER = r"[-+]?\s*\d+"
_EXACT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<whole>{_INTEGER})",
        r"(?P<decimal>[-+]?\s*\d*\.\d+|[-+]?\s*\d+\.)",
        rf"(?P<top>{_INTEGER})\s*/\s*(?P<bottom>\d+)",
        rf"(?P<sign>[-+]?)\s*\\frac\s*\{{\s*(?P<top>{_INTEGER})\s*\}}\s*\{{\s*(?P<bottom>{_INTEGER})\s*\}}",
        r"(?P<sign>[-+]?)\s*(?P<units>\d+)\s*\\frac\s*\{\s*(?P<top>\d+)\s*\}\s*\{\s*(?P<bottom>\d+)\s*\}",
    )
)
_NAMED = re.compile(r"[A-DF-HJ-Za-df-hj-z]\s*=\s*")
"""One letter is given a value; `e` and `i` have theirs."""
MAX_EXACT_LENGTH = 200
"""Longer texts are not read as numbers here: Python refuses integers of more than 4300 digits."""


def normalise(answer: str) -> str:
    """The answer in the project's one spelling. Idempotent on numbers; never raises."""
    text = answer.strip().translate(_SIGNS)
    text = re.sub(r"^\\\((.*)\\\)$|^\\\[(.*)\\\]$", lambda m: m.group(1) or m.group(2) or "", text, flags=re.DOTALL)
    text = re.sub(r"^\*\*(.*)\*\*$", r"\1", text.strip(), flags=re.DOTALL).strip()
    if text.startswith("$") and text.endswith("$"):
        text = text.strip("$").strip()
    text = re.sub(r"(?<![.\s])[.;,]$", "", text).strip()
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text).strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "").replace(" ", "")
    return _both_signs(_REPEATING.sub(_repeating_fraction, text))


def _repeating_fraction(found: re.Match[str]) -> str:
    r"""`a.b\overline{c}` is (abc - ab) / (10^|b| (10^|c| - 1))."""
    whole, fixed, period = found.groups()
    bottom = 10 ** len(fixed) * (10 ** len(period) - 1)
    top = int((whole or "0") + fixed + period) - int((whole or "0") + fixed)
    return rf"\frac{{{top}}}{{{bottom}}}"


def _both_signs(text: str) -> str:
    r"""An answer with one `\pm` names two values."""
    if len(re.findall(r"\\(?:pm|mp)(?![A-Za-z])", text)) != 1:
        return text
    plus, minus = (re.sub(r"\\(?:pm|mp)(?![A-Za-z])\s*", sign, text) for sign in "+-")
    return f"{plus}, {minus}"


def exact_number(text: str) -> Fraction | None:
    """The rational number that a normalised answer spells out, or None when it is anything else."""
    if len(text) > MAX_EXACT_LENGTH:
        return None
    for pattern in _EXACT:
        if found := pattern.fullmatch(text):
            parts = {name: value.replace(" ", "") for name, value in found.groupdict().items() if value is not None}
            return _fraction(parts)
    return None


def without_name(text: str) -> str:
    """What a normalised answer gives to a letter: 5 of `x = 5`."""
    found = _NAMED.match(text)
    return text[found.end() :] if found else text


def same_number(left: str, right: str) -> bool | None:
    """Whether two normalised answers are the same number; None when one of them is no plain number.

    A percentage equals both its number and its hundredth: 50 % is 50 where percent are asked for, and 0.5.
    """
    marks = [text.endswith("%") for text in (left, right)]
    numbers = [exact_number(text.removesuffix("%").removesuffix("\\").rstrip()) for text in (left, right)]
    first, second = numbers
    if first is None or second is None:
        return None
    if marks[0] == marks[1]:
        return first == second
    percent, plain = (first, second) if marks[0] else (second, first)
    return plain in (percent, percent / 100)


def _fraction(parts: dict[str, str]) -> Fraction | None:
    if "whole" in parts:
        return Fraction(int(parts["whole"]))
    if "decimal" in parts:
        return Fraction(parts["decimal"].removesuffix("."))
    if int(parts["bottom"]) == 0:
        return None
    value = int(parts.get("units", "0")) + Fraction(int(parts["top"]), int(parts["bottom"]))
    return -value if parts.get("sign") == "-" else value


def with_exact_decimals(text: str) -> str:
    """The answer with decimals as fractions: 0.5 is 1/2, but 0.3333 is not 1/3 and 25.298 is no square root."""
    return _DECIMAL.sub(lambda found: _decimal_fraction(found.group(1), found.group(2)), text)


def _decimal_fraction(whole: str, digits: str) -> str:
    top = (whole + digits).lstrip("0") or "0"
    return rf"\frac{{{top}}}{{1{'0' * len(digits)}}}"
