"""Finds the program in a response.

It decides for preset `strict`: the last fenced Python block that is closed, after the thinking; without one, the whole
text if it parses and defines or does something. Preset `seed` takes what the published harness takes: the text between
the last two fence lines for LiveCodeBench; for EvalPlus see `core.code.sanitize`.
"""

import ast
import re

MAX_PROGRAM = 1 << 20
"""Characters; a longer program is refused."""
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[^\n`]*$", re.MULTILINE)
_PYTHON = {"", "python", "py", "python3", "py3", "python2"}
_THOUGHT = "</think>"


def strict_program(text: str) -> str | None:
    """The program, or None where there is none."""
    answer = text.rpartition(_THOUGHT)[2]
    if "<think>" in answer:
        return None  # the thinking never ended
    blocks = _blocks(answer)
    if blocks:
        return blocks[-1]
    return answer if "```" not in answer and _is_program(answer) else None


def _blocks(text: str) -> list[str]:
    """The closed Python blocks, without the indentation of their fences."""
    found: list[str] = []
    start: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if start is None:
            start = fence
        elif fence[1][0] == start[1][0] and len(fence[1]) >= len(start[1]) and not fence[2]:
            if start[2].lower() in _PYTHON:
                indent = len(start[0]) - len(start[0].lstrip())
                found.append(_dedented(text[start.end() + 1 : fence.start()], indent))
            start = None
    return found


def _dedented(block: str, indent: int) -> str:
    return re.sub(rf"^[ \t]{{0,{indent}}}", "", block, flags=re.MULTILINE) if indent else block


def _is_program(text: str) -> bool:
    """Parses, and is more than words that happen to be names and texts."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(part, ast.Expr) or isinstance(part.value, ast.Call) for part in body)


def seed_block(text: str) -> str:
    """LiveCodeBench as published: what stands between the last two lines with a fence, prose or program."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) >= 2 else ""
