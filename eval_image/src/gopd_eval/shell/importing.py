"""What is checked when a data set comes into the store: how many records, that each can be used, and that it can be
answered right: right answers are tried with the grader, canonical solutions are run in the sandbox."""

from collections.abc import Iterator
from pathlib import Path

from gopd_api.benchmarks import BENCHMARKS
from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.sources import DataSet
from gopd_eval.core.code.tests import FunctionTests
from gopd_eval.core.errata import ERRATA_VERSION
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import Problem, parse_problems, places
from gopd_eval.core.samples import Sample
from gopd_eval.shell.code.grader import CodeGrader, CodeWork
from gopd_eval.shell.code_tests import tests_of
from gopd_eval.shell.golds import check_golds

SHOWN = 5


def check_records(data_set: DataSet, file: Path) -> str:
    """Check the records of a downloaded file; gives what was checked, in words.

    Raises EvaluationError when the file is not what the set is pinned as, or holds what cannot be answered right.
    """
    task = Task.model_validate({"benchmark": data_set.benchmark})
    with file.open("rb") as lines:
        problems = parse_problems(places(str(file), lines), task, data_set.name)
    if len(problems) != data_set.records:
        fault = f"has {len(problems)} records, not {data_set.records}"
        raise EvaluationError(data_set.name, fault, "get the file at its pinned revision", "DataChanged")
    read = f"{len(problems)} records read"
    if BENCHMARKS[data_set.benchmark].grade == "math":
        answers = {problem.published_id or problem.id: problem.answer or "" for problem in problems}
        check_golds(data_set.name, answers, lambda: None, data_set.name)
        return f"{read}, every right answer tried (with errata {ERRATA_VERSION})"
    return f"{read}, and the tests of each; {_canonical_solutions(data_set, problems)}"


def _canonical_solutions(data_set: DataSet, problems: list[Problem]) -> str:
    """Read all tests, and run the canonical solution of each problem that has one."""
    try:
        with CodeGrader(lambda: None) as grader:
            grades = list(grader.grade(_canonical(data_set, problems), "strict"))
    except EvaluationError as error:
        if error.reason != "SandboxUnavailable":
            raise
        for _ in _canonical(data_set, problems):
            pass  # reading is a check of its own
        return f"canonical solutions were not run ({error})"
    names = {problem.id: problem.published_id for problem in problems}
    if wrong := [f"{names[grade.problem]} ({grade.verdict})" for grade in grades if grade.verdict != "correct"]:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        fault = f"canonical solutions do not pass their tests: {', '.join(wrong[:SHOWN])}{more}"
        raise EvaluationError(data_set.name, fault, "try again when the machine is less busy", "BadRightAnswer")
    return f"{len(grades)} canonical solutions pass" if grades else "it has no canonical solutions"


def _canonical(data_set: DataSet, problems: list[Problem]) -> Iterator[CodeWork]:
    for problem in problems:
        tests = tests_of(problem, data_set.benchmark, data_set.name)
        if isinstance(tests, FunctionTests):
            text = f"`````python\n{tests.reference}\n`````"  # solutions may hold shorter fences
            yield CodeWork(Sample(problem.id, 0, 0, 0, [], text, "stop"), tests)
