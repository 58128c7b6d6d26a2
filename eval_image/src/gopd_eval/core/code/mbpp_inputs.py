"""Restores the types that MBPP+'s arguments lost in JSON: tuples, sets, complex numbers, by task.

It decides by the published table of tasks. Arguments of other tasks and data sets are as JSON has them.
"""

from collections.abc import Callable
from typing import Any

from gopd_eval.core.code.tests import FunctionTests

Arguments = list[Any]
Change = Callable[[Arguments], Any]


def _deep(value: Any) -> Any:
    return tuple(map(_deep, value)) if isinstance(value, list) else value


def _rows(value: Any) -> list[Any]:
    return [tuple(row) for row in value]


def _first(change: Callable[[Any], Any]) -> Change:
    """Changes the first argument only."""
    return lambda arguments: [change(arguments[0]), *arguments[1:]]


def _sets(rows: Any) -> list[Any]:
    """Sets in a list; an empty one was published as an empty dictionary."""
    return [set(row) if isinstance(row, list) and row else {} for row in rows]


_GROUPS: list[tuple[str, Change]] = [
    ("2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
     lambda arguments: [tuple(argument) for argument in arguments]),
    ("63 64 70 94 120 237 272 299 400 409 417 438 473 614 780", lambda arguments: [_rows(each) for each in arguments]),
    ("75 413 444 753", _first(_rows)),
    ("106 750", lambda arguments: [arguments[0], tuple(arguments[1])]),
    ("115", lambda arguments: [_sets(arguments[0])]),
    ("124", lambda arguments: (float(arguments[0]), complex(arguments[1]))),
    ("250 405 446 617 720 763 808 307", _first(tuple)),
    ("259 401 445", lambda arguments: [tuple(_rows(each)) for each in arguments]),
    ("278", lambda arguments: [tuple(tuple(item) if isinstance(item, list) else item for item in arguments[0])]),
    ("722", _first(lambda table: {key: tuple(value) for key, value in table.items()})),
    ("252", lambda arguments: [complex(arguments[0])]),
    ("580 615 791", _deep),
]  # fmt: skip
_BY_TASK = {f"Mbpp/{number}": change for numbers, change in _GROUPS for number in numbers.split()}


def arguments_of(tests: FunctionTests) -> list[Arguments]:
    """The arguments of every test, with the types that the task was written for."""
    change = _BY_TASK.get(tests.task_id)
    return [list(change(list(given))) if change else given for given in tests.inputs]
