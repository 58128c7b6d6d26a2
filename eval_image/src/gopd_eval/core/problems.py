"""Problems of a task: which lines of its files it asks, and how problems are named.

A problem's id is its place in the file and the digest of its prompt, so that two lines with the same prompt stay two
problems, and a changed prompt is another problem. What a record means is decided in `benchmarks.records`; files are
read by the shell.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.records import FORMS, Asked, Message, Prompt, RecordError
from gopd_eval.core.digests import digest
from gopd_eval.core.errata import corrected, corrected_text
from gopd_eval.core.errors import EvaluationError


@dataclass(frozen=True)
class Place:
    """Where a line lies."""

    path: str
    number: int
    """From 1."""
    offset: int
    """Bytes before it."""

    def __str__(self) -> str:
        return f"line {self.number} of {self.path}"


@dataclass(frozen=True)
class Problem:
    """One line of a task's file."""

    id: str
    prompt: Prompt
    """A text (one turn of the user), or messages with `role` and `content`."""
    answer: str | None
    """The right answer; None where tests decide, or nothing does."""
    published_id: str | None = None
    """What the benchmark's makers call it."""
    tests_digest: str | None = None
    """Of the record with the tests, where tests decide."""
    place: Place | None = None

    def messages(self) -> list[Message]:
        """The conversation that a chat template renders."""
        if isinstance(self.prompt, str):
            return [{"role": "user", "content": self.prompt}]
        return [dict(message) for message in self.prompt]

    def plain_text(self) -> str:
        """The prompt for a model without a chat template: the text, or the messages' contents, one below the other."""
        return self.prompt if isinstance(self.prompt, str) else "\n".join(m["content"] for m in self.prompt)


Line = tuple[Place, bytes]


def parse_problems(lines: Iterable[Line], task: Task, field: str) -> list[Problem]:
    """The task's problems in the order of its lines: those of its days, and of these the first `limit`.

    Blank lines do not count. Raises EvaluationError naming `field`, the file and the line that cannot be used.
    """
    problems: list[Problem] = []
    path = ""
    for place, line in lines:
        path = place.path
        if task.limit is not None and len(problems) >= task.limit:
            break
        asked = asked_in(place, line, task, field)
        if _in_window(asked, task):
            problems.append(_problem(len(problems), asked, place, line, task))
    if not problems and (task.since or task.until):
        days = f"since {task.since or 'the first'} until {task.until or 'the last'}"
        raise EvaluationError(field, f"{path} holds no problem of a contest {days}", "set other days")
    if not problems:
        raise EvaluationError(field, f"{path} holds no problems", "give a file with one JSON object a line")
    return problems


def places(path: str, lines: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a file that are not blank, with their places."""
    offset = 0
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield Place(path, number, offset), line
        offset += len(line)


def read_record(place: Place, line: bytes, field: str) -> dict[str, Any]:
    """The JSON object in a line. Raises EvaluationError."""
    try:
        record: Any = json.loads(line)
    except ValueError as error:
        raise EvaluationError(field, f"{place} is not JSON ({error})", "write one JSON object a line") from None
    if not isinstance(record, dict):
        fault = f"{place} is no JSON object (it is: {type(record).__name__})"
        raise EvaluationError(field, fault, "write one JSON object a line")
    return record


def asked_in(place: Place, line: bytes, task: Task, field: str) -> Asked:
    """What one line asks, under `strict` with the errata of its benchmark. Raises EvaluationError."""
    try:
        asked = FORMS[task.benchmark](read_record(place, line, field), task.preset)
        return asked if task.preset == "seed" else _mended(asked, task.benchmark)
    except RecordError as error:
        raise EvaluationError(field, f"{place} {error.fault}", error.remedy) from None


def _mended(asked: Asked, benchmark: str) -> Asked:
    if asked.published_id is None or not isinstance(asked.prompt, str):
        return asked
    known = benchmark.replace("-", "_")
    answer = None if asked.answer is None else corrected(known, asked.published_id, asked.answer)
    return replace(asked, prompt=corrected_text(known, asked.published_id, asked.prompt), answer=answer)


def _in_window(asked: Asked, task: Task) -> bool:
    if asked.day is None:
        return True
    return (task.since or asked.day) <= asked.day <= (task.until or asked.day)


def _problem(index: int, asked: Asked, place: Place, line: bytes, task: Task) -> Problem:
    decided_by_tests = asked.answer is None and task.benchmark != "kl-to-teacher"
    return Problem(
        id=f"{index:06d}-{digest(asked.prompt).removeprefix('sha256:')[:12]}",
        prompt=asked.prompt,
        answer=asked.answer,
        published_id=asked.published_id,
        tests_digest="sha256:" + hashlib.sha256(line.strip()).hexdigest() if decided_by_tests else None,
        place=place,
    )


def prompts_digest(problems: Sequence[Problem]) -> str:
    """Digest of what is asked: a corrected answer leaves it, and the generations, as they were."""
    return digest([problem.prompt for problem in problems])


def data_digest(problems: Sequence[Problem]) -> str:
    """Digest of what is asked and what is right: every score carries it."""
    return digest([[problem.id, problem.prompt, problem.answer or problem.tests_digest] for problem in problems])
