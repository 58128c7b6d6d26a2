"""What is checked when a data set comes into the store: the number of records, and that each says what it must."""

from pathlib import Path

from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.sources import DataSet
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import parse_problems, places
from gopd_eval.shell.datastore import DataStore


def check_records(data_set: DataSet, file: Path, store: DataStore) -> tuple[str, str]:
    """Check the records of a downloaded file. Gives the digest to store it under, and what was checked, in words.

    Raises EvaluationError when the file is not what the set is pinned as.
    """
    task = Task.model_validate({"benchmark": data_set.benchmark})
    with file.open("rb") as lines:
        problems = parse_problems(places(data_set.name, lines), task, data_set.name)
    if len(problems) != data_set.records:
        fault = f"has {len(problems)} records, not {data_set.records}"
        raise EvaluationError(data_set.name, fault, "get the file at its pinned revision", "DataChanged")
    return data_set.sha256, f"{len(problems)} records read"
