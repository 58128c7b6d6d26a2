"""What is not handed to a symbolic parser: answers that could only exhaust it.

It decides by looking at the text, before anything is parsed. What passes may still take too long: the comparing process
has a time and a memory limit of its own (`shell.equality`).
"""

import re

MAX_LENGTH = 4096
MAX_NESTING = 64
MAX_DIGITS = 400

_TOWER = re.compile(r"\d\s*\^\s*\{?\s*\(?\s*\d+\s*\^")
_HUGE_EXPONENT = re.compile(r"\^\s*\{?\s*[-+]?\s*\d{5,}")
_HUGE_FACTORIAL = re.compile(r"\d{5,}\s*[)}\]]*\s*!")
_CHAINED_FACTORIAL = re.compile(r"!\s*[)}\]]*\s*!")
_LONG_NUMBER = re.compile(rf"\d{{{MAX_DIGITS + 1},}}")
_PATTERNS = (
    (_LONG_NUMBER, f"a number of more than {MAX_DIGITS} digits"),
    (_TOWER, "a tower of powers"),
    (_HUGE_EXPONENT, "an exponent of more than 4 digits"),
    (_HUGE_FACTORIAL, "a factorial of a number of more than 4 digits"),
    (_CHAINED_FACTORIAL, "a factorial of a factorial"),
)


def exceeded_length(answer: str) -> str | None:
    """The limit of length, when the answer exceeds it: such a text is not even searched for patterns."""
    return f"more than {MAX_LENGTH} characters" if len(answer) > MAX_LENGTH else None


def exceeded_limit(answer: str) -> str | None:
    """The limit that the answer exceeds, as a clause, or None when it may be parsed."""
    if too_long := exceeded_length(answer):
        return too_long
    depth = deepest = 0
    for character in answer:
        depth += (character in "({[") - (character in ")}]")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        return f"brackets more than {MAX_NESTING} deep"
    return next((clause for pattern, clause in _PATTERNS if pattern.search(answer)), None)
