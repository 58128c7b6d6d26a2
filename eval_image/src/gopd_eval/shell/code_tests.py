"""The tests of a code problem, read from its line when they are needed: all of them at once may not fit into memory."""

from pathlib import Path

from gopd_eval.core.benchmarks.pickled import private_cases
from gopd_eval.core.benchmarks.records import RecordError
from gopd_eval.core.code.tests import CodeTests, evalplus_tests, livecodebench_tests
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import Problem, read_record


def tests_of(problem: Problem, benchmark: str, field: str) -> CodeTests:
    """The tests of a problem that was read from a file. Raises EvaluationError naming `field` and the line."""
    place = problem.place
    if place is None:
        raise RuntimeError(f"problem {problem.id} was not read from a file")
    with Path(place.path).open("rb") as file:
        file.seek(place.offset)
        record = read_record(place, file.readline(), field)
    if benchmark != "livecodebench":
        return evalplus_tests(record, str(place), field)
    try:
        private = private_cases(str(record.get("private_test_cases", "")))
    except RecordError as error:
        raise EvaluationError(field, f"{place} {error.fault}", error.remedy) from None
    return livecodebench_tests(record, private, str(place), field)
