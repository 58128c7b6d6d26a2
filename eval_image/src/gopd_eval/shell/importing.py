"""What is checked when a data set comes into the store: how many records, that each can be
used, and that its right answer can be met."""

from pathlib import Path

from gopd_api.benchmarks import BENCHMARKS
from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.sources import DataSet
from gopd_eval.core.errata import ERRATA_VERSION
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import parse_problems, places
from gopd_eval.shell.code_tests import tests_of
from gopd_eval.shell.golds import check_golds


def check_records(data_set: DataSet, file: Path) -> str:
    """Check the records of a downloaded file; gives what was checked, in words.

    Raises EvaluationError when the file is not what the set is pinned as.
    """
    task = Task.model_validate({"benchmark": data_set.benchmark})
    with file.open("rb") as lines:
        problems = parse_problems(places(str(file), lines), task, data_set.name)
    if len(problems) != data_set.records:
        fault = f"has {len(problems)} records, not {data_set.records}"
        raise EvaluationError(data_set.name, fault, "get the file at its pinned revision", "DataChanged")
    match BENCHMARKS[data_set.benchmark].grade:
        case "math":
            answers = {problem.published_id or problem.id: problem.answer or "" for problem in problems}
            check_golds(data_set.name, answers, lambda: None, data_set.name)
            return f"{len(problems)} records read, every right answer tried (with errata {ERRATA_VERSION})"
        case _:
            for problem in problems:
                tests_of(problem, data_set.benchmark, data_set.name)
            return f"{len(problems)} records read, and the tests of each"
