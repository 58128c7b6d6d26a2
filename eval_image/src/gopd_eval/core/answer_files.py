"""Two files of JSON lines, right answers and responses, to the samples that are graded; every unusable line is named.

A line of the data has `id` (or `task_id`) and an `answer`, or is an EvalPlus record; a line of the responses has `id`
(or `task_id`) and `response`, and may have `finish`: `stop` or `length`. Several responses to one id are its samples,
in the order of their lines. It decides what is wrong with a line, and nothing about verdicts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gopd_eval.core.code.tests import FunctionTests, evalplus_tests
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.samples import Sample

Right = TypeVar("Right")
NAMES = ("id", "task_id")


class LineError(ValueError):
    """What is wrong with one line, with the remedy."""


@dataclass(frozen=True)
class Files(Generic[Right]):
    """What both files come to. Nothing is to be graded when there are faults."""

    right: dict[str, Right]
    samples: list[Sample]
    faults: list[str]
    """One sentence a line that cannot be used, in the order of the files."""
    unanswered: list[str]
    """Ids without a response."""


def read_files(
    data: Iterable[bytes],
    responses: Iterable[bytes],
    names: tuple[str, str],
    right_in: Callable[[dict[str, Any]], Right],
) -> Files[Right]:
    """Read both files. `names` are how sentences call them; `right_in` reads what is right from a record, or raises."""
    faults: list[str] = []
    right: dict[str, Right] = {}
    lines: dict[str, int] = {}

    def problem(number: int, record: dict[str, Any]) -> None:
        name = _id(record)
        if name in lines:
            raise LineError(f"has the id {name!r} of line {lines[name]} again; give each problem an id of its own")
        lines[name] = number
        right[name] = right_in(record)

    _each(data, names[0], problem, faults)
    samples: list[Sample] = []
    given: Counter[str] = Counter()

    def response(number: int, record: dict[str, Any]) -> None:
        name = _id(record)
        if name not in lines:
            raise LineError(f"answers {name!r}, which {names[0]} does not hold; give ids as they are there")
        samples.append(_sample(name, given[name], record))
        given[name] += 1

    _each(responses, names[1], response, faults)
    return Files(right, samples, faults, [name for name in right if name not in given])


def answer_in(record: dict[str, Any]) -> str:
    """The right answer of a mathematics problem."""
    answer = record.get("answer")
    if answer is None or isinstance(answer, bool | list | dict) or not str(answer).strip():
        raise LineError("has no `answer`; add the right answer as a text or a number")
    return str(answer)


def tests_in(record: dict[str, Any]) -> FunctionTests:
    """The tests of a code problem."""
    try:
        return evalplus_tests({"task_id": record.get("id"), **record}, "the record", "--data")
    except EvaluationError as error:
        raise LineError(f"is no EvalPlus record ({str(error).removeprefix('--data: ')})") from None


def _each(lines: Iterable[bytes], path: str, use: Callable[[int, dict[str, Any]], None], faults: list[str]) -> None:
    used = 0
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                use(number, _record(line))
                used += 1
            except LineError as error:
                faults.append(f"line {number} of {path} {error}")
    if not used and not faults:
        faults.append(f"{path} is empty; give one JSON object a line")


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LineError(f"is not JSON ({str(error)[:200]}); write one JSON object a line") from None
    if not isinstance(record, dict):
        raise LineError(f"is no JSON object but a {type(record).__name__}; write one JSON object a line")
    return record


def _id(record: dict[str, Any]) -> str:
    value = next((record[name] for name in NAMES if name in record), None)
    if value is None or isinstance(value, bool | list | dict | float) or not str(value):
        has = ", ".join(map(str, record)) or "nothing"
        raise LineError(f"has no `id` (it has: {has[:200]}); add the problem's id as a text or an integer")
    return str(value)


def _sample(name: str, number: int, record: dict[str, Any]) -> Sample:
    text, finish = record.get("response"), record.get("finish", "stop")
    if not isinstance(text, str):
        raise LineError("has no text `response`; add what the model wrote, whole, as one text")
    if finish not in ("stop", "length"):
        raise LineError(f"has `finish` {finish!r}; write stop (the model ended) or length (it was cut)")
    return Sample(name, number, 0, 0, [], text, finish)
