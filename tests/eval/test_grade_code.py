"""Generated code through the whole grading: tests from files and from the store, verdicts kept, killed and resumed."""

import base64
import hashlib
import json
import pickle
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from gopd_api.reports import EvalReport, Score
from gopd_api.requests import EvalRequest
from gopd_eval.core.benchmarks.sources import DataSet
from gopd_eval.core.digests import key
from gopd_eval.core.index import make_entry
from gopd_eval.core.samples import Sample
from gopd_eval.shell import grade as grading
from gopd_eval.shell.data import read_problems, write_index
from gopd_eval.shell.datastore import DataStore
from gopd_eval.shell.fetching import fetch
from gopd_eval.shell.grade import grade
from gopd_eval.shell.store import RecordFile

from .conftest import RequestMaker
from .killing import killed_often, watch_of


def function_record(number: int) -> dict[str, Any]:
    return {
        "task_id": f"Own/{number}", "prompt": f'def add(n):\n    """Add {number}."""\n', "entry_point": "add",
        "canonical_solution": f"    return n + {number}\n", "base_input": [[1], [2]], "plus_input": [[-5], [10**20]],
        "atol": 0,
    }  # fmt: skip


def block(code: str) -> str:
    return f"I think first.\n```python\n{code}\n```\n"


RIGHT, ONLY_BASE = "def add(n):\n    return n + {0}", "def add(n):\n    return abs(n) + {0}"
ANSWERS = [(block(RIGHT), "stop"), (block(ONLY_BASE), "stop"), ("I do not know.", "stop"), ("```python\ndef", "length")]


def answered(request: EvalRequest, answers: list[tuple[str, str]]) -> EvalRequest:
    """Put answers into the store as if they had been drawn: the same ones for each problem, its number in them."""
    task, problems = request.tasks[0], read_problems(request, 0)
    parts = {"model": "by hand", "answers": answers, "problems": len(problems)}
    with RecordFile(Path(request.paths.store) / "generations" / key(parts), Sample, parts, lambda: None) as file:
        for number, problem in enumerate(problems):
            file.append(
                Sample(problem.id, sample, 0, 5, [1, 2, 3], text.replace("{0}", str(number)), finish)  # type: ignore[arg-type]
                for sample, (text, finish) in enumerate(answers)
            )
    write_index(request, "student", [make_entry("student", task, problems, key(parts), None)])
    return request


def coding(make_request: RequestMaker, tmp_path: Path, count: int, **task: Any) -> EvalRequest:
    file = tmp_path / "code.jsonl"
    file.write_text("".join(json.dumps(function_record(number)) + "\n" for number in range(count)))
    subjects = make_request().model_dump()["subjects"][:1]
    given = {"benchmark": "code", "data": str(file), "samples": len(ANSWERS)} | task
    return make_request(subjects=subjects, tasks=[{"name": "own", **given}])


def scores_of(report: EvalReport) -> dict[str, Score]:
    return {score.metric: score for score in report.scores}


def test_answers_of_code_are_graded_counted_and_kept_with_what_they_ran_in(
    make_request: RequestMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = answered(coding(make_request, tmp_path, 3), ANSWERS)
    report = grade(request, watch_of(request))
    scores = scores_of(report)
    assert (scores["avg@4"].value, scores["base_avg@4"].value, scores["pass@4"].value) == (0.25, 0.5, 1.0)
    counts = scores["avg@4"].counts
    assert counts is not None
    assert (counts.samples, counts.correct, counts.wrong, counts.no_answer, counts.truncated) == (12, 3, 3, 3, 3)
    assert scores["avg@4"].grader.startswith("code/strict ")
    assert report.setting is not None
    assert "sandbox" in json.dumps(report.setting.model_dump())

    monkeypatch.setattr(grading, "CodeGrader", lambda beat: pytest.fail("nothing is missing, so nothing is run"))
    again = grade(request, watch_of(request))
    assert (again.scores, again.setting) == (report.scores, report.setting)


def test_grading_of_code_killed_at_random_moments_ends_as_an_undisturbed_one(
    make_request: RequestMaker, tmp_path: Path
) -> None:
    undisturbed = answered(coding(make_request, tmp_path, 12), ANSWERS)
    began = time.monotonic()
    wanted = grade(undisturbed, watch_of(undisturbed))
    paths = undisturbed.paths.model_copy(update={"store": str(tmp_path / "disturbed")})
    disturbed = answered(undisturbed.model_copy(update={"paths": paths}), ANSWERS)
    assert killed_often(grade, disturbed, time.monotonic() - began) > 2
    assert EvalReport.model_validate_json(Path(disturbed.paths.report).read_text()).scores == wanted.scores
    (file,) = (tmp_path / "disturbed" / "grades").glob("*/records.jsonl")
    places = [(line["problem"], line["sample"]) for line in map(json.loads, file.read_text().splitlines())]
    assert len(places) == len(set(places)) == 48


def contest_record(starter: str, kind: str, cases: list[tuple[str, str]]) -> dict[str, Any]:
    tests = [{"input": given, "output": wanted, "testtype": kind} for given, wanted in cases]
    private = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests[1:])))).decode()
    return {
        "question_id": f"q-{kind}", "question_content": "Double it.", "starter_code": starter,
        "contest_date": "2025-02-03T00:00:00", "public_test_cases": json.dumps(tests[:1]),
        "private_test_cases": private, "metadata": json.dumps({"func_name": "double"} if starter else {}),
    }  # fmt: skip


def test_contests_with_pickled_tests_come_from_the_store_and_are_graded(
    make_request: RequestMaker, tmp_path: Path
) -> None:
    starter = "class Solution:\n    def double(self, n: int) -> int:\n        "
    records = [
        contest_record("", "stdin", [("1\n", "2\n"), ("21\n", "42\n")]),
        contest_record(starter, "functional", [("1", "2"), ("21", "42")]),
    ]
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    source = tmp_path / "test6.jsonl"
    source.write_bytes(content)
    pinned = DataSet(
        "livecodebench-v6", "livecodebench", "https://example.invalid/", "0" * 40,
        hashlib.sha256(content).hexdigest(), 2, "cc",
    )  # fmt: skip
    request = make_request(
        subjects=make_request().model_dump()["subjects"][:1],
        tasks=[{"name": "contests", "benchmark": "livecodebench", "samples": 2, "release": "v6"}],
    )
    fetch(pinned, DataStore(Path(request.paths.data)), source)
    program, method = "print(int(input()) * 2)", "class Solution:\n    def double(self, n):\n        return n * 2"
    answered(request, [(block(program), "stop"), (block(method), "stop")])
    scores = scores_of(grade(request, watch_of(request)))
    assert scores["avg@2"].value == 0.5
    assert "base_avg@2" not in scores
