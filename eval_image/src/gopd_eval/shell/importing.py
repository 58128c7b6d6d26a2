"""What is checked when a data set comes into the store: the number of records, and that each says what it must."""

from pathlib import Path

from gopd_api.benchmarks import BENCHMARKS
from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.sources import DataSet
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import parse_problems, places
from gopd_eval.shell.code_tests import tests_of


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
    checks = f"{len(problems)} records read"
    if BENCHMARKS[data_set.benchmark].grade == "code":
        for problem in problems:
            tests_of(problem, data_set.benchmark, data_set.name)
        checks += ", and the tests of each"
    return checks
