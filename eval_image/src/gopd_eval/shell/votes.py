"""Which answers mean the same, kept in the store: found once a problem, with the comparing process.

Who wins a vote is decided in `core.tries`. Right answers are one class without being compared with each other again,
and one whose comparison had to be ended is like its own text only: it would only be ended again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gopd_eval.core.classes import equivalence_classes
from gopd_eval.core.grading import Compare, Preset
from gopd_eval.core.measures import Classes
from gopd_eval.core.samples import Grade, Votes
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.store import RecordFile

ENDED = {"timeout", "memory", "crash"}


def answer_classes(
    folder: Path, grades: Sequence[Grade], right: Mapping[str, str], preset: Preset, compare: Compare, watch: Watch
) -> Classes:
    """The classes of all answers, problem by problem; `folder` is that of this grading and its classes."""
    answers: dict[str, list[Grade]] = {}
    for grade in grades:
        answers.setdefault(grade.problem, []).append(grade)

    def same(left: str, other: str) -> bool:
        return compare(left, other, preset).outcome == "equal"

    with RecordFile(folder, Votes, {"grades": folder.name}, watch.beat) as file:
        done = {votes.problem for votes in file.records}
        for problem, found in answers.items():
            if problem not in done:
                watch.beat()
                texts = [None if one.verdict in ENDED else _text(one, right[problem]) for one in found]
                file.append([Votes(problem, _with_ended(equivalence_classes(texts, same), found))])
        return {votes.problem: votes.classes for votes in file.records}


def _text(grade: Grade, right: str) -> str | None:
    return right if grade.verdict == "correct" else grade.answer


def _with_ended(classes: list[int | None], grades: Sequence[Grade]) -> list[int | None]:
    """Answers whose comparison was ended join those of exactly their text."""
    numbers: dict[str, int] = {}
    free = max((name for name in classes if name is not None), default=-1) + 1
    return [
        numbers.setdefault(one.answer, free + len(numbers)) if one.verdict in ENDED and one.answer else name
        for name, one in zip(classes, grades, strict=True)
    ]
