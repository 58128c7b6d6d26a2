"""What a record of each benchmark's file means: what is asked, what is right, and what it is called.

One function a form of record; `FORMS` says which benchmark has which. Whatever a record lacks is a RecordError with
fault and remedy; which file and line it was is told by `core.problems`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gopd_api.benchmarks import BENCHMARKS
from gopd_eval.core.benchmarks.asking import Preset, ask_for_a_box, ask_for_a_program, ask_for_code

Message = dict[str, str]
Record = Mapping[str, Any]
Prompt = str | tuple[Message, ...]


class RecordError(ValueError):
    """A record that cannot be used: fault and remedy, without the place."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(fault)
        self.fault, self.remedy = fault, remedy


@dataclass(frozen=True)
class Asked:
    """What a record comes to."""

    prompt: Prompt
    answer: str | None = None
    published_id: str | None = None
    """What the benchmark's makers call the problem."""
    day: str | None = None
    """Day of the contest, as 2025-01-31."""


def own_problem(record: Record, preset: Preset) -> Asked:
    """A user's own problem with its right answer."""
    prompt = _prompt(record)
    answer = _answer(record, "add the right answer as a text or a number")
    return Asked(prompt, answer)


def own_prompt(record: Record, preset: Preset) -> Asked:
    """A user's own prompt; an answer may be missing."""
    answer = record.get("answer")
    return Asked(_prompt(record), None if answer is None else str(answer))


def competition(record: Record, preset: Preset) -> Asked:
    """AIME, HMMT and MATH-500: `problem`, `answer`, and `id` or `unique_id`."""
    name = record.get("id", record.get("unique_id"))
    problem = _text(record, "problem")
    return Asked(ask_for_a_box(problem), _answer(record, _WHOLE), None if name is None else str(name))


def grade_school(record: Record, preset: Preset) -> Asked:
    """GSM8K: the right answer is what follows the last `####`."""
    _, mark, answer = _text(record, "answer").rpartition("####")
    if not mark or not answer.strip():
        raise RecordError("has an `answer` without ####", _WHOLE)
    return Asked(ask_for_a_box(_text(record, "question")), answer.strip().replace(",", ""))


def function(record: Record, preset: Preset) -> Asked:
    """EvalPlus: a function to write, called on the inputs of the record."""
    for name in ("entry_point", "canonical_solution"):
        _text(record, name)
    if not isinstance(record.get("base_input"), list) or not isinstance(record.get("plus_input"), list | dict):
        raise RecordError("has no lists `base_input` and `plus_input`", "give records as EvalPlus publishes them")
    return Asked(ask_for_code(_text(record, "prompt")), None, _text(record, "task_id"))


def contest(record: Record, preset: Preset) -> Asked:
    """LiveCodeBench: a program or a method to write."""
    starter = record.get("starter_code")
    if not isinstance(starter, str):
        raise RecordError("has no text `starter_code`", _WHOLE)
    prompt = ask_for_a_program(_text(record, "question_content"), starter, preset)
    return Asked(prompt, None, _text(record, "question_id"), _text(record, "contest_date")[:10])


_WHOLE: Final = "give the file as it was published"
FORMS: Final[dict[str, Callable[[Record, Preset], Asked]]] = {
    "math": own_problem,
    "code": function,
    "kl-to-teacher": own_prompt,
    "aime24": competition,
    "aime25": competition,
    "hmmt25-feb": competition,
    "hmmt25-nov": competition,
    "math500": competition,
    "gsm8k": grade_school,
    "humaneval-plus": function,
    "mbpp-plus": function,
    "livecodebench": contest,
}
"""By the benchmark's name."""

assert set(FORMS) == set(BENCHMARKS)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"has no text `{name}` (it has: {', '.join(map(str, record))})", _WHOLE)
    return value


def _answer(record: Record, remedy: str) -> str:
    answer = record.get("answer")
    if answer is None or isinstance(answer, bool | list | dict) or not str(answer).strip():
        raise RecordError("has no `answer`", remedy)
    return str(answer)


def _prompt(record: Record) -> Prompt:
    if "prompt" not in record:
        raise RecordError(
            f"has no `prompt` (it has: {', '.join(map(str, record))})", "add the text or the messages to ask"
        )
    prompt = record["prompt"]
    if isinstance(prompt, str) and prompt.strip():
        return prompt
    if isinstance(prompt, list) and prompt and all(_is_message(message) for message in prompt):
        return tuple({"role": message["role"], "content": message["content"]} for message in prompt)
    raise RecordError(
        "has a `prompt` that is neither a text nor a list of messages",
        "write a text, or messages with `role` and `content`",
    )


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(name), str) for name in ("role", "content"))
