"""Records with every field of the published files, of our own making: read, asked, and graded to the end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.pickled import private_cases
from gopd_eval.core.code.tests import MethodTests, ProgramTests, livecodebench_tests
from gopd_eval.core.problems import parse_problems, places
from gopd_eval.core.samples import Sample
from gopd_eval.shell.code.grader import CodeGrader, CodeWork

CASES = Path(__file__).parent / "cases"
WRONG = {
    "HumanEval/900": ("total / place", "total / place if place < 3 else total"),
    "Mbpp/2": ("first + second", "tuple(sorted(first)) + second"),
    "Mbpp/901": ("text.split()", "text.split(' ')"),
}
"""A change of each right program that its base tests do not see and its plus tests do."""
PROGRAMS = {
    "own900_a": "for _ in range(int(input())): print(sum(map(int, input().split())))",
    "9001": "class Solution:\n    def pairs(self, xs, name): return [list(pair) for pair in zip(xs, xs[1:])]",
    "own900_b": "print(input())",
}


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("preset", ["strict", "seed"])
def test_canonical_solutions_of_an_evalplus_file_are_right_and_changed_ones_fail_their_plus_tests(
    preset: str, tmp_path: Path
) -> None:
    responses = tmp_path / "R.jsonl"
    with responses.open("w") as file:
        for record in records("evalplus.jsonl"):
            right = record["prompt"] + record["canonical_solution"]
            wrong = right.replace(*WRONG[record["task_id"]])
            assert wrong != right
            for program in (right, wrong):
                print(
                    json.dumps({"task_id": record["task_id"], "response": f"So:\n```python\n{program}\n```"}), file=file
                )
    command = [
        sys.executable, "-m", "gopd_eval", "grade-file", "--grader", "code", "--preset", preset, "-o", "json",
        "--data", str(CASES / "evalplus.jsonl"), "--responses", str(responses),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert [(one["id"], one["verdict"], one["base"]) for one in result["samples"]] == [
        (name, verdict, "correct") for name in WRONG for verdict in ("correct", "wrong")
    ], result["samples"]
    assert (result["score"], result["counts"]["correct"], result["unanswered"]) == (0.5, 3, [])


def test_a_livecodebench_file_is_asked_by_its_window_and_its_programs_are_graded() -> None:
    lines = (CASES / "livecodebench.jsonl").read_bytes().splitlines(keepends=True)
    task = Task.model_validate({"benchmark": "livecodebench", "since": "2025-02-15"})
    asked = parse_problems(places("f", lines), task, "tasks[0]")
    assert [(problem.published_id, "class Solution" in str(problem.prompt)) for problem in asked] == [
        ("9001", True),
        ("own900_b", False),
    ]

    work = []
    for record in records("livecodebench.jsonl"):
        tests = livecodebench_tests(record, private_cases(record["private_test_cases"]), "a line", "f")
        kind, cases = (
            (MethodTests, 2) if record["starter_code"] else (ProgramTests, 2 + (record["question_title"] == "Sums"))
        )
        assert (type(tests), len(tests.cases)) == (kind, cases)
        for number, program in enumerate((PROGRAMS[record["question_id"]], "print('a')")):
            text = f"```python\n{program}\n```"
            work.append(CodeWork(Sample(record["question_id"], number, 0, 1, [1], text, "stop"), tests))
    with CodeGrader(lambda: None, 2) as grader:
        found = {(grade.problem, grade.sample): grade.verdict for grade in grader.grade(work, "strict")}
    assert found == {
        (name, number): verdict for name in PROGRAMS for number, verdict in enumerate(("correct", "wrong"))
    }
