"""Whether the subjects and tasks of a request can be told apart, asked before anything is loaded."""

from gopd_api.requests import EvalRequest
from gopd_eval.core.errors import EvaluationError


def check_subjects(request: EvalRequest) -> None:
    """Names must be unique, the baseline one of them, and repeats told apart within their group."""
    names = [subject.name for subject in request.subjects]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EvaluationError("subjects", f"the name {twice[0]} is given twice", "give every subject a name of its own")
    if request.baseline not in names:
        raise EvaluationError("baseline", f"there is no subject {request.baseline}", f"name one of: {', '.join(names)}")
    tasks = [task.name for task in request.tasks]
    if twice := sorted({name for name in tasks if tasks.count(name) > 1}):
        raise EvaluationError("tasks", f"the name {twice[0]} is given twice", "give every task a name of its own")
    seen: set[tuple[str | None, int | None]] = set()
    for index, subject in enumerate(request.subjects):
        place = (subject.group, subject.repeat)
        if subject.group is not None and subject.repeat is not None and place in seen:
            raise EvaluationError(
                f"subjects[{index}].repeat",
                f"group {subject.group} has two subjects with repeat {subject.repeat}",
                "number the repeats of a group differently",
            )
        seen.add(place)


def chosen_subjects(request: EvalRequest, only: int | None) -> list[int]:
    """Indices of the subjects to work on: all, or the one that was asked for."""
    if only is None:
        return list(range(len(request.subjects)))
    if not 0 <= only < len(request.subjects):
        names = ", ".join(f"{index} ({subject.name})" for index, subject in enumerate(request.subjects))
        raise EvaluationError("--subject", f"there is no subject of index {only}", f"give one of: {names}")
    return [only]
