"""Right answers are tried before any model is: each has a value for the grader, and equals itself.

What an overlay corrects is applied before (`core.errata`). It decides nothing about problems or prompts.
"""

from collections.abc import Callable, Mapping

from gopd_eval.core.errata import suspicious
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.normalise import exact_number, normalise
from gopd_eval.shell.equality import Equality

SHOWN = 5


def check_gold(answer: str, equality: Equality | None = None) -> str | None:
    """Why this right answer could never be met, as a clause, or None when it is sound.

    Plain numbers need no process; for many others hand in one `equality`.
    """
    if fault := suspicious(answer):
        return fault
    text = normalise(answer)
    if exact_number(text.removesuffix("%").removesuffix("\\")) is not None:
        return None
    if equality is not None:
        return _fault(text, equality)
    with Equality(lambda: None, slots=1) as own:
        return _fault(text, own)


def check_golds(task: str, answers: Mapping[str, str], beat: Callable[[], None], field: str = "tasks") -> None:
    """Try every right answer of a task, by problem id. Raises EvaluationError naming the task and the ids."""
    with Equality(beat) as equality:
        found = equality.in_order(lambda item: (item[0], check_gold(item[1], equality)), answers.items())
        faults = [f"{problem} ({answers[problem]!r}: {fault})" for problem, fault in found if fault]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise EvaluationError(
            field,
            f"right answers of {task} that no response can meet: {'; '.join(faults[:SHOWN])}{more}",
            "correct them in the data, or add an erratum with its source to core/errata.py",
            "BadRightAnswer",
        )


def _fault(text: str, equality: Equality) -> str | None:
    match equality.verifies(text).outcome:
        case "equal":
            return None
        case "unread":
            return "the grader reads no value in it"
        case "different":
            return "it does not equal itself"
        case ended:
            return f"comparing it with itself ends in {ended}"
