"""The grade command: verdicts on every answer, and the report with every subject's scores.

It needs no model and no network. Verdicts are kept by key, so that an interrupted grading goes on where it was, and a
report can be made again at once. The rules are in `core.grading` and `core.measures`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from gopd_api.benchmarks import BENCHMARKS, IN_STORE
from gopd_api.reports import EvalReport
from gopd_api.requests import EvalRequest, EvalTask
from gopd_eval.core.comparison import mean_scores
from gopd_eval.core.errata import ERRATA_VERSION
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import begin_grade, math_grader
from gopd_eval.core.index import Entry
from gopd_eval.core.measures import NO_CLASSES, Measure, Origin, divergence_measures, graded_measures
from gopd_eval.core.problems import Problem
from gopd_eval.core.samples import Divergence, Grade, Record, Sample, samples_digest, wanted_samples
from gopd_eval.core.subjects import check_subjects
from gopd_eval.shell.code.grader import CodeGrader
from gopd_eval.shell.data import check_data, read_index, read_problems
from gopd_eval.shell.equality import Equality, libraries
from gopd_eval.shell.files import write_atomically
from gopd_eval.shell.grade_code import CodeTask, Sandbox
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.setting import read_setting
from gopd_eval.shell.store import RecordFile, read_records
from gopd_eval.shell.votes import answer_classes

R = TypeVar("R", bound=Record)


def grade(request: EvalRequest, watch: Watch) -> EvalReport:
    """Grade what has no verdict yet, and write the report of the whole request."""
    started = time.monotonic()
    measures = list(measure_all(request, watch))
    report = EvalReport(
        request_digest=request.digest(),
        outcome="succeeded",
        reason="Completed",
        seconds=round(time.monotonic() - started, 3),
        scores=[measure.score() for measure in measures],
        means=mean_scores(measures),
        setting=read_setting(request, measures),
    )
    write_atomically(Path(request.paths.report), report.to_json(), "paths.report")
    watch.at("finished")
    return report


def measure_all(request: EvalRequest, watch: Watch) -> Iterator[Measure]:
    """The measures of every subject on every task, in the request's order; missing verdicts are added on the way.

    Raises EvaluationError when answers are missing, or the data have changed since they were drawn.
    """
    check_subjects(request)
    index = read_index(request)
    library = libraries()
    problems = [read_problems(request, place) for place in range(len(request.tasks))]
    with ExitStack() as stack:
        equality = stack.enter_context(Equality(watch.beat))
        sandbox = _started_once(lambda: stack.enter_context(CodeGrader(watch.beat)))
        for subject in request.subjects:
            for place, (task, asked) in enumerate(zip(request.tasks, problems, strict=True)):
                entry = index[subject.name, task.name]
                check_data(entry, asked, task, place)
                grader = _Grader(request, entry, task, asked, watch)
                match BENCHMARKS[task.benchmark].grade:
                    case "math":
                        yield from grader.math(equality, library)
                    case "divergence":
                        yield from grader.divergence()
                    case "code":
                        yield from grader.code(sandbox, f"tasks[{place}].{'data' if task.data else 'benchmark'}")


def _started_once(start: Callable[[], CodeGrader]) -> Sandbox:
    return cache(start)


class _Grader:
    """One subject on one task."""

    def __init__(
        self, request: EvalRequest, entry: Entry, task: EvalTask, problems: list[Problem], watch: Watch
    ) -> None:
        self._entry, self._task, self._watch = entry, task, watch
        self._store = Path(request.paths.store)
        self._problems = problems
        self._wanted = wanted_samples([problem.id for problem in problems], task.samples)
        self._samples = self._complete(read_records(self._store / "generations" / entry.generations, Sample), "answers")

    def math(self, equality: Equality, library: str) -> list[Measure]:
        """Grades, and the measures made of them."""
        grader = math_grader(self._task.preset, library)
        if self._task.preset == "strict" and self._task.benchmark in IN_STORE:
            grader += f", errata {ERRATA_VERSION}"
        key = self._entry.grades_key(grader)
        parts = {"generations": self._entry.generations, "data": self._entry.data_digest, "grader": grader}
        right = {problem.id: problem.answer or "" for problem in self._problems}
        with RecordFile(self._store / "grades" / key, Grade, parts, self._watch.beat) as file:
            done = {(grade.problem, grade.sample) for grade in file.records}
            self._watch.at("grading", self._entry.subject, self._task.name, len(self._wanted), len(done))
            todo = [sample for sample in self._samples if (sample.problem, sample.sample) not in done]
            begun = (begin_grade(sample, right[sample.problem], self._task.preset) for sample in todo)
            for graded in equality.grades(begun):
                file.append([graded])
                self._watch.advance(1)
            grades = self._complete(file.records, "grades")
        preset, samples, folder = self._task.preset, self._task.samples, self._store / "classes" / key
        classes = (
            NO_CLASSES if samples == 1 else answer_classes(folder, grades, right, preset, equality.compare, self._watch)
        )
        return graded_measures(self._origin(), grades, samples, grader, classes)

    def code(self, sandbox: Sandbox, field: str) -> list[Measure]:
        """Grades of generated code, and the measures made of them."""
        task = CodeTask(self._entry, self._task, field, self._problems, self._samples)
        folder = self._store / "grades" / self._entry.grades_key(task.grader)
        grades, isolation = task.grades(folder, sandbox, self._watch)
        return task.measures(replace(self._origin(), isolation=isolation), grades)

    def divergence(self) -> list[Measure]:
        """The measures made of the divergences that `generate` computed."""
        found = read_records(self._store / "divergences" / str(self._entry.divergences), Divergence)
        divergences = self._complete(found, "divergences")
        return divergence_measures(self._origin(), divergences, self._samples, self._entry.teacher_digest or "")

    def _origin(self) -> Origin:
        digest = samples_digest(self._samples)
        return Origin(self._entry.subject, self._task.name, self._entry.data_digest, digest)

    def _complete(self, records: list[R], what: str) -> list[R]:
        """Exactly one record for each sample wanted, in the order of the problems."""
        known = {(record.problem, record.sample): record for record in records}
        if lacking := [place for place in self._wanted if place not in known]:
            place = f"{self._entry.subject} on {self._task.name}"
            fault = f"{len(lacking)} of {len(self._wanted)} {what} of {place} are missing"
            raise EvaluationError("paths.store", fault, "run generate with this request to its end", "NotGenerated")
        return [known[place] for place in self._wanted]
