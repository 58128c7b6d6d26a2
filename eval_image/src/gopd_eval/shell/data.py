"""What the commands read and leave for each other: problems, and the index of where a request's results lie.

`generate` writes the index, `grade` and `compare` read it, so that these two need no models.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from gopd_api.benchmarks import data_sets
from gopd_api.requests import EvalRequest, EvalTask
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.index import Entry
from gopd_eval.core.problems import Line, Problem, data_digest, parse_problems, places
from gopd_eval.shell.datastore import DataStore
from gopd_eval.shell.files import write_atomically


def read_problems(request: EvalRequest, index: int) -> list[Problem]:
    """The problems of a task, from its file or from the data store. Raises EvaluationError naming `tasks[index]`."""
    task = request.tasks[index]
    if task.data is not None:
        return _read([Path(task.data)], task, f"tasks[{index}].data")
    field = f"tasks[{index}].benchmark"
    store = DataStore(Path(request.paths.data))
    return _read([store.checked(name, field) for name in data_sets(task.benchmark, task.release)], task, field)


def _read(paths: list[Path], task: EvalTask, field: str) -> list[Problem]:
    try:
        return parse_problems(_lines(paths), task, field)
    except (OSError, UnicodeDecodeError) as error:
        remedy = "give a readable file of JSON lines in UTF-8"
        reason = error.strerror if isinstance(error, OSError) else str(error)
        place = error.filename if isinstance(error, OSError) else task.data
        raise EvaluationError(field, f"{place} cannot be read ({reason})", remedy) from error


def _lines(paths: list[Path]) -> Iterator[Line]:
    for path in paths:
        with path.open("rb") as lines:
            yield from places(str(path), lines)


def _index_folder(request: EvalRequest) -> Path:
    return Path(request.paths.store) / "requests" / request.digest().removeprefix("sha256:")


def write_index(request: EvalRequest, subject: str, entries: list[Entry]) -> None:
    """Leave the index of one subject of this request in the store, in a file of its own: subjects may run at once."""
    content = [entry.to_json() for entry in entries]
    write_atomically(_index_folder(request) / f"{subject}.json", json.dumps(content, indent=2) + "\n", "paths.store")


def read_index(request: EvalRequest) -> dict[tuple[str, str], Entry]:
    """(subject, task) to the entry. Raises EvaluationError when `generate` has not been run for every subject."""
    paths = [_index_folder(request) / f"{subject.name}.json" for subject in request.subjects]
    if lacking := next((path for path in paths if not path.is_file()), None):
        raise EvaluationError(
            "paths.store", f"{lacking} is not there", "run generate with this request first", "NotGenerated"
        )
    entries = [Entry(**entry) for path in paths for entry in json.loads(path.read_text())]
    return {(entry.subject, entry.task): entry for entry in entries}


def check_data(entry: Entry, problems: list[Problem], task: EvalTask, index: int) -> None:
    """The file must still say what it said when answers were drawn; a corrected one needs `generate` again (quick)."""
    if data_digest(problems) != entry.data_digest:
        fault = f"{task.data or task.benchmark} has changed since generate"
        raise EvaluationError(f"tasks[{index}].data", fault, "run generate with this request again", "DataChanged")
