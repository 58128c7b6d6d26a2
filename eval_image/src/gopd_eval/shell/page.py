"""The page of a comparison: reads what is to be shown, and writes the document beside the comparison.

Which samples are shown, and how, is decided in the core. Responses are in memory for one subject and task at a time.
"""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from gopd_api.reports import Comparison
from gopd_api.requests import EvalRequest
from gopd_eval.core.measures import Measure
from gopd_eval.core.page.document import comparison_page
from gopd_eval.core.samples import Sample
from gopd_eval.core.showing import (
    ShownAnswer,
    ShownProblem,
    chosen_answers,
    chosen_problems,
    shown_answer,
    shown_problem,
    shown_subjects,
)
from gopd_eval.shell.data import read_index, read_problems
from gopd_eval.shell.files import write_atomically
from gopd_eval.shell.store import read_records


def write_page(
    request: EvalRequest, comparison: Comparison, measures: Sequence[Measure]
) -> tuple[str, list[ShownProblem]]:
    """Write the page; returns its text, and the samples that it shows."""
    problems = [shown for place in range(len(request.tasks)) for shown in _shown(request, place, measures)]
    text = comparison_page(comparison, request.job.name, problems, style())
    write_atomically(Path(request.paths.page), text, "paths.comparison")
    return text, problems


def style() -> str:
    """The page's style sheet."""
    return files("gopd_eval.core.page").joinpath("style.css").read_text(encoding="utf-8")


def _shown(request: EvalRequest, place: int, measures: Sequence[Measure]) -> Iterator[ShownProblem]:
    """The problems of one task that are shown, with the subjects' answers."""
    task = request.tasks[place].name
    graded = {m.origin.subject: m for m in measures if m.origin.task == task and m.grades}
    graded = {name: graded[name] for name in shown_subjects(list(graded), request.baseline)}
    chosen = chosen_problems({name: measure.values for name, measure in graded.items()})
    answers = {name: _answers(request, measure, set(chosen)) for name, measure in graded.items()}
    asked = {problem.id: problem for problem in read_problems(request, place) if problem.id in chosen}
    for problem, why in chosen.items():
        mine = {name: found[problem] for name, found in answers.items()}
        shares = {name: [g.verdict for g in m.grades if g.problem == problem] for name, m in graded.items()}
        yield shown_problem(
            task, asked[problem].id, why, asked[problem].plain_text(), asked[problem].answer, shares, mine
        )


def _answers(request: EvalRequest, measure: Measure, problems: set[str]) -> dict[str, list[ShownAnswer]]:
    """Problem to the answers of one subject that are shown, with the texts read anew from the store."""
    entry = read_index(request)[measure.origin.subject, measure.origin.task]
    records = read_records(Path(request.paths.store) / "generations" / entry.generations, Sample)
    texts = {(one.problem, one.sample): one.text for one in records if one.problem in problems}
    return {
        problem: [
            shown_answer(grade, texts[problem, grade.sample])
            for grade in chosen_answers([grade for grade in measure.grades if grade.problem == problem])
        ]
        for problem in problems
    }
