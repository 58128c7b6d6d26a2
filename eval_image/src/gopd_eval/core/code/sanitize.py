"""Preset `seed`, EvalPlus: the program as the published sanitizer leaves it, bug for bug where a verdict hangs on it.

First the longest range of lines that parses, wherever it stands; then of it the imports, and those classes, functions
with a return and assignments that the entry point needs by name. What stands under a decorator, in a guard, or returns
nothing is dropped, as published. The published search takes cubic time; here every statement is parsed about once, and
a text that would still take too long is refused.
"""

import ast

MAX_PARSED = 6_000_000
"""Characters handed to the parser in all; a response that asks for more is refused."""
MAX_LINES_OF_TEXT = 200
"""Lines of a text or bracket that starts in a statement's first block and goes on at the margin."""
_UNFINISHED = ("was never closed", "unterminated triple-quoted", "unexpected EOF", "expected an indented block",
               "expected 'except' or 'finally'")  # fmt: skip
_CONTINUES = ("else", "elif", "except", "finally", ")", "]", "}")


class TooLongError(ValueError):
    """The response would take too long to search."""


class _Search:
    """The longest range of lines that parses."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self._left = MAX_PARSED
        self._filled = [0]
        for line in self.lines:
            self._filled.append(self._filled[-1] + bool(line.strip()))

    def fault(self, start: int, end: int) -> tuple[int, bool] | None:
        """Why the lines to `end`, which is counted, do not parse: the line, and whether more lines might mend it."""
        part = "\n".join(self.lines[start : end + 1])
        self._left -= len(part) + 200
        if self._left < 0:
            raise TooLongError("the response is too long to be searched for a program")
        try:
            ast.parse(part)
        except SyntaxError as error:
            line = start + (error.lineno or 1) - 1
            open_end = line > end or (line == end and (error.offset or 0) > len(self.lines[end]))
            return min(line, end), open_end or any(word in str(error.msg) for word in _UNFINISHED)
        except (MemoryError, ValueError, RecursionError):
            return start, False
        return None

    def filled(self, start: int, end: int) -> int:
        """Lines from `start` to `end` that are not blank."""
        return self._filled[end + 1] - self._filled[start]

    def longest(self) -> tuple[int, int]:
        """First and last line: the most lines that are not blank, then the first start, then the first end."""
        best, place = 0, (0, 0)
        reach = self._reaches()
        for start in range(len(self.lines)):
            end = self._trimmed(start, reach[start])
            if end > start and self.filled(start, end) > best:
                best, place = self.filled(start, end), (start, end)
        return place

    def _trimmed(self, start: int, end: int | None) -> int:
        """Without the blank lines at the end, but never one line only: the published search looks at two or more."""
        if end is None:
            return -1
        while end > start + 1 and not self.lines[end].strip():
            end -= 1
        return end

    def _reaches(self) -> list[int | None]:
        """From each line, the last line up to which statements follow on each other."""
        count = len(self.lines)
        reach: list[int | None] = [None] * (count + 1)
        for start in range(count - 1, -1, -1):
            end = self._statement(start)
            following = reach[end + 1] if end is not None else None
            reach[start] = end if following is None else following
        return reach

    def _statement(self, start: int) -> int | None:
        """The last line of the statement that starts in a line, as long as it parses."""
        line = self.lines[start]
        if not line.strip() or line.lstrip().startswith("#"):
            return start
        if line[0].isspace() and line[0] != "\f":
            return None
        found = self._longest_from(start, start, self._block_end(start))
        while found is not None:  # a text over several lines may have hidden that the block goes on below it
            block = self._block_end(found)
            longer = self._longest_from(start, found + 1, block) if block > found else None
            if longer is None:
                break
            found = longer
        return found

    def _longest_from(self, start: int, first: int, block: int) -> int | None:
        below = self._below(start, block)
        return self._within(start, first, block) if below is None else below

    def _within(self, start: int, first: int, last: int) -> int | None:
        """The last end that parses. What is wrong in a line stays wrong however much follows it."""
        end = last
        while end >= first:
            fault = self.fault(start, end)
            if fault is None:
                return end
            end = min(end, fault[0]) - 1 if fault[0] > start else min(end - 1, start)
        return None

    def _below(self, start: int, block: int) -> int | None:
        """The first end below the block that parses, where a text or a bracket of it goes on at the margin."""
        fault = self.fault(start, block)
        if fault is None or not fault[1]:
            return None
        far = min(len(self.lines) - 1, block + MAX_LINES_OF_TEXT)
        fault = self.fault(start, far)
        if fault is not None and fault[0] <= block:
            return None
        for end in range(block + 1, far + 1):
            fault = self.fault(start, end)
            if fault is None:
                return end
            if not fault[1]:
                return None
        return None

    def _block_end(self, start: int) -> int:
        """The last line before one at the margin that does not go on with the statement."""
        end = start
        decorated = self.lines[start].startswith("@")
        for number in range(start + 1, len(self.lines)):
            line = self.lines[number]
            at_margin = line.strip() and not line[0].isspace() and not decorated
            if at_margin and not line.startswith((*_CONTINUES, "#")):
                break
            decorated = decorated and line.startswith("@")
            end = number
        return end


def longest_program(text: str) -> str:
    """The longest range of lines that parses; the first line where there is none. Raises TooLongError."""
    search = _Search(text)
    start, end = search.longest()
    return "\n".join(search.lines[start : end + 1])


def sanitize(text: str, entry: str) -> str:
    """The program as the published harness runs it. Raises TooLongError."""
    code = longest_program(text)
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    return _selected(code, tree, entry).strip() or code


def _selected(code: str, tree: ast.Module, entry: str) -> str:
    imports: list[str] = []
    definitions: list[tuple[str | None, ast.stmt]] = []
    seen: set[str | None] = set()
    for part in tree.body:
        if isinstance(part, ast.Import | ast.ImportFrom):
            if not (isinstance(part, ast.ImportFrom) and part.module == "__future__"):
                imports.append(ast.get_source_segment(code, part) or "")
        elif _is_kept(part):
            name = _name(part)
            if name not in seen:
                seen.add(name)
                definitions.append((name, part))
    needed = _needed(entry, dict(definitions))
    kept = [ast.get_source_segment(code, part) or "" for name, part in definitions if name in needed]
    return "\n".join(imports + kept)


def _is_kept(part: ast.stmt) -> bool:
    match part:
        case ast.ClassDef(decorator_list=[]):
            return True
        case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
            return any(isinstance(node, ast.Return) for node in ast.walk(part))
        case ast.Assign() | ast.AnnAssign():
            return True
    return False


def _name(part: ast.stmt) -> str | None:
    """What the published code takes for the name: the first name that is a direct part of the statement."""
    match part:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Assign(targets=[_], value=ast.Name(id=name)) | ast.AnnAssign(value=ast.Name(id=name)):
            return name
    return None


def _needed(entry: str, definitions: dict[str | None, ast.stmt]) -> set[str | None]:
    """Names that are reached from the entry point through any name that a definition mentions."""
    found: set[str | None] = {entry}
    queue: list[str | None] = [entry]
    while queue:
        current = definitions.get(queue.pop())
        for name in _mentioned(current) - found if current is not None else ():
            found.add(name)
            queue.append(name)
    return found


def _mentioned(part: ast.stmt) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(part):
        for _, value in ast.iter_fields(node):
            if isinstance(value, str) and not isinstance(node, ast.Constant):
                names.update(value.split("."))
            elif isinstance(value, list):
                names.update(word for item in value if isinstance(item, str) for word in item.split("."))
    return names
