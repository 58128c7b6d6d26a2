"""Problems of a task: what a line of its file means, and how problems are named.

A problem's id is its place in the file and the digest of its prompt, so that two lines with the same prompt stay two
problems, and a changed prompt is another problem. Files are read by the shell.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gopd_eval.core.digests import digest
from gopd_eval.core.errors import EvaluationError

Message = dict[str, str]


@dataclass(frozen=True)
class Problem:
    """One line of a task's file."""

    id: str
    prompt: str | tuple[Message, ...]
    """A text (one turn of the user), or messages with `role` and `content`."""
    answer: str | None

    def messages(self) -> list[Message]:
        """The conversation that a chat template renders."""
        if isinstance(self.prompt, str):
            return [{"role": "user", "content": self.prompt}]
        return [dict(message) for message in self.prompt]

    def plain_text(self) -> str:
        """The prompt for a model without a chat template: the text, or the messages' contents, one below the other."""
        return self.prompt if isinstance(self.prompt, str) else "\n".join(m["content"] for m in self.prompt)


def parse_problems(
    lines: Iterable[str], field: str, path: str, *, needs_answer: bool, limit: int | None
) -> list[Problem]:
    """The first `limit` problems of a JSON-lines file; blank lines do not count.

    Raises EvaluationError naming `field`, the file and the line that cannot be used.
    """
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if limit is not None and len(problems) >= limit:
            break
        if line.strip():
            problems.append(_parse_line(line, len(problems), f"line {number} of {path}", field, needs_answer))
    if not problems:
        raise EvaluationError(field, f"{path} holds no problems", "give a file with one JSON object a line")
    return problems


def _parse_line(line: str, index: int, place: str, field: str, needs_answer: bool) -> Problem:
    try:
        record: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise EvaluationError(field, f"{place} is not JSON ({error})", "write one JSON object a line") from None
    if not isinstance(record, dict) or "prompt" not in record:
        found = ", ".join(map(str, record)) if isinstance(record, dict) else type(record).__name__
        raise EvaluationError(
            field, f"{place} has no `prompt` (it has: {found})", "add the text or the messages to ask"
        )
    prompt = _parse_prompt(record["prompt"], place, field)
    answer = record.get("answer")
    if needs_answer and (answer is None or isinstance(answer, bool | list | dict) or not str(answer).strip()):
        raise EvaluationError(field, f"{place} has no `answer`", "add the right answer as a text or a number")
    return Problem(
        id=f"{index:06d}-{digest(prompt).removeprefix('sha256:')[:12]}",
        prompt=prompt,
        answer=None if answer is None else str(answer),
    )


def _parse_prompt(prompt: object, place: str, field: str) -> str | tuple[Message, ...]:
    if isinstance(prompt, str) and prompt.strip():
        return prompt
    if isinstance(prompt, list) and prompt and all(_is_message(message) for message in prompt):
        return tuple({"role": message["role"], "content": message["content"]} for message in prompt)
    raise EvaluationError(
        field,
        f"`prompt` in {place} is neither a text nor a list of messages",
        "write a text, or messages with `role` and `content`",
    )


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(name), str) for name in ("role", "content"))


def prompts_digest(problems: Sequence[Problem]) -> str:
    """Digest of what is asked: a corrected answer leaves it, and the generations, as they were."""
    return digest([problem.prompt for problem in problems])


def data_digest(problems: Sequence[Problem]) -> str:
    """Digest of what is asked and what is right: every score carries it."""
    return digest([[problem.id, problem.prompt, problem.answer] for problem in problems])
