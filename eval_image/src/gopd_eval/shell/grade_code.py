"""Verdicts on generated code, kept like all others: graded in the sandbox where one is missing, else read.

The sandbox is started, and tried, only when something is missing; what it could enforce then is kept beside the
verdicts, so that a report that is made again elsewhere says how they came about.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gopd_api.requests import EvalTask
from gopd_eval.core.code.tests import CodeTests
from gopd_eval.core.code.verdicts import CODE_GRADER_VERSION
from gopd_eval.core.index import Entry
from gopd_eval.core.measures import Measure, Origin, graded_measures
from gopd_eval.core.problems import Problem
from gopd_eval.core.samples import Grade, Sample, missing
from gopd_eval.shell.code.grader import CodeGrader, CodeWork
from gopd_eval.shell.code_tests import tests_of
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.store import RecordFile, read_records

Sandbox = Callable[[], CodeGrader]
"""Gives the grader, which is started at the first call."""


@dataclass(frozen=True)
class CodeTask:
    """One subject's answers to one task of code."""

    entry: Entry
    task: EvalTask
    field: str
    problems: Sequence[Problem]
    samples: Sequence[Sample]
    """One for each that is wanted, problem after problem."""

    @property
    def grader(self) -> str:
        """The grader as scores name it."""
        return f"code/{self.task.preset} {CODE_GRADER_VERSION}"

    def grades(self, folder: Path, sandbox: Sandbox, watch: Watch) -> tuple[list[Grade], str]:
        """Every sample's grade in the order of the samples, and what the programs were kept in."""
        done = read_records(folder, Grade) if folder.is_dir() else []
        wanted = [(sample.problem, sample.sample) for sample in self.samples]
        watch.at("grading", self.entry.subject, self.task.name, len(wanted), len(wanted) - len(missing(wanted, done)))
        if missing(wanted, done):
            done = self._graded(folder, sandbox(), watch)
        known = {(grade.problem, grade.sample): grade for grade in done}
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return [known[place] for place in wanted], str(manifest["isolation"])

    def _graded(self, folder: Path, grader: CodeGrader, watch: Watch) -> list[Grade]:
        parts = {
            "generations": self.entry.generations, "data": self.entry.data_digest, "grader": self.grader,
            "isolation": grader.isolation,
        }  # fmt: skip
        with RecordFile(folder, Grade, parts, watch.beat) as file:
            done = {(grade.problem, grade.sample) for grade in file.records}
            todo = [sample for sample in self.samples if (sample.problem, sample.sample) not in done]
            for grade in grader.grade(self._work(todo), self.task.preset):
                file.append([grade])
                watch.advance(1)
            return list(file.records)

    def _work(self, samples: Sequence[Sample]) -> Iterator[CodeWork]:
        """Each answer with its tests, which are read once a problem."""
        problems = {problem.id: problem for problem in self.problems}
        last: tuple[str, CodeTests] | None = None
        for sample in samples:
            if last is None or last[0] != sample.problem:
                last = (sample.problem, tests_of(problems[sample.problem], self.task.benchmark, self.field))
            yield CodeWork(sample, last[1])

    def measures(self, origin: Origin, grades: Sequence[Grade]) -> list[Measure]:
        """What all graded answers are measured by, and for EvalPlus the share that passes the base tests alone."""
        found = graded_measures(origin, grades, self.task.samples, self.grader)
        if any(grade.base is None for grade in grades):
            return found
        base = [replace(grade, verdict=grade.base or grade.verdict) for grade in grades]
        (first, *_) = graded_measures(origin, base, self.task.samples, self.grader)
        return [*found, replace(first, metric=f"base_{first.metric}", headline=False, grades=())]
