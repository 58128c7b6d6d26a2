"""`grade-file` as a process: what it prints, which lines it names, how it ends, and what it does not import."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gopd_eval.core.answer_files import answer_in, read_files

DATA = [{"id": 60, "answer": 204}, {"id": "b", "answer": r"\frac{1}{2}"}, {"id": "c", "answer": "7"}]
RESPONSES = [
    {"id": "60", "response": r"\boxed{204}"},
    {"id": "b", "response": r"It is $\boxed{0.5}$"},
    {"id": 60, "response": r"\boxed{205}"},
    {"id": "b", "response": r"\boxed{\frac{1}{3}}"},
    {"id": "b", "response": "It is 1", "finish": "length"},
    {"id": "b", "response": r"\boxed{\frac{\sqrt{4}}{4}}"},
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def grade_file(
    folder: Path, data: list[Any], responses: list[Any], *more: str, grader: str = "math"
) -> subprocess.CompletedProcess[str]:
    files = ["--data", str(write(folder / "D.jsonl", data)), "--responses", str(write(folder / "R.jsonl", responses))]
    command = [sys.executable, "-m", "gopd_eval", "grade-file", "--grader", grader, *files, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_every_response_gets_its_verdict_and_problems_without_one_are_named(tmp_path: Path) -> None:
    ended = grade_file(tmp_path, DATA, RESPONSES, "-o", "json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert [(one["id"], one["sample"], one["verdict"]) for one in result["samples"]] == [
        ("60", 0, "correct"), ("b", 0, "correct"), ("60", 1, "wrong"), ("b", 1, "wrong"), ("b", 2, "truncated"),
        ("b", 3, "correct"),
    ]  # fmt: skip
    assert result["counts"]["samples"] == 6
    assert result["counts"]["correct"] == 3
    assert result["score"] == 0.5
    assert result["unanswered"] == ["c"]
    assert "no response to 1 problems: c" in ended.stderr


def test_the_table_counts_verdicts_by_the_preset_that_is_asked_for(tmp_path: Path) -> None:
    responses = [{"id": "c", "response": "It is 7."}, {"id": "c", "response": r"\boxed{7}"}]
    strict, seed = (grade_file(tmp_path, DATA, responses, "--preset", preset) for preset in ("strict", "seed"))
    assert strict.stdout.startswith("math/strict ")
    assert "correct           2   1.0000" in strict.stdout
    assert seed.stdout.startswith("math/seed ")
    assert "no answer         1   0.5000" in seed.stdout


def test_programs_are_run_in_the_sandbox(tmp_path: Path) -> None:
    task = {
        "task_id": "Own/1", "entry_point": "twice",
        "prompt": "def twice(x):\n", "canonical_solution": "    return 2 * x\n",
        "base_input": [[1], [2]], "plus_input": [[7]], "atol": 0,
    }  # fmt: skip
    programs = ["def twice(x):\n    return x + x", "def twice(x):\n    return min(2 * x, 4)"]
    responses = [{"task_id": "Own/1", "response": f"```python\n{program}\n```"} for program in programs]
    ended = grade_file(tmp_path, [task], [*responses, {"id": "Own/1", "response": "no"}], "-o", "json", grader="code")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert [(one["verdict"], one["base"]) for one in result["samples"]] == [
        ("correct", "correct"), ("wrong", "correct"), ("no_answer", "no_answer"),
    ]  # fmt: skip
    assert result["isolation"]
    refused = grade_file(tmp_path, DATA, responses, grader="code")
    assert refused.returncode == 2
    assert "line 1 of" in refused.stderr
    assert "is no EvalPlus record" in refused.stderr


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"id": 60, "resp', "line 7 of R is not JSON"), ("[1]", "line 7 of R is no JSON object but a list"),
        ({"id": 61, "response": ""}, "line 7 of R answers '61', which D does not hold"),
        ({"response": "7"}, "line 7 of R has no `id` (it has: response)"),
        ({"id": 60, "text": "7"}, "line 7 of R has no text `response`"),
        ({"id": 60, "response": ["7"]}, "line 7 of R has no text `response`"),
        ({"id": 60, "response": "7", "finish": "eos"}, "line 7 of R has `finish` 'eos'"),
        ("[" * 100_000, "line 7 of R is not JSON"), ('{"id": 60, "response": "\udcff"}', "line 7 of R is not JSON"),
    ],
)  # fmt: skip
def test_an_unusable_line_of_responses_is_named_by_number(line: Any, fault: str) -> None:
    def lines(rows: list[Any]) -> list[bytes]:
        texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        return [text.encode(errors="surrogateescape") for text in texts]

    files = read_files(lines(DATA), lines([*RESPONSES, line]), ("D", "R"), answer_in)
    assert len(files.faults) == 1
    assert files.faults[0].startswith(fault)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"id": "d"}, "line 4 of D has no `answer`"), ({"id": "d", "answer": [1]}, "line 4 of D has no `answer`"),
        ({"answer": "1"}, "line 4 of D has no `id`"),
        ({"id": "60", "answer": 1}, "line 4 of D has the id '60' of line 1"),
    ],
)  # fmt: skip
def test_an_unusable_line_of_right_answers_is_named_by_number(row: Any, fault: str) -> None:
    data = [json.dumps(one).encode() for one in [*DATA, row]]
    assert read_files(data, [b'{"id": "b", "response": ""}'], ("D", "R"), answer_in).faults[0].startswith(fault)


def test_all_unusable_lines_are_told_at_once_and_nothing_is_graded(tmp_path: Path) -> None:
    ended = grade_file(tmp_path, [*DATA, "{"], ["nonsense", *RESPONSES, {"id": "zz", "response": ""}])
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert [line.split("line ")[1].split(" of")[0] for line in ended.stderr.splitlines()] == ["4", "1", "8"]


def test_a_missing_or_empty_file_is_one_sentence(tmp_path: Path) -> None:
    assert "is empty; give one JSON object a line" in grade_file(tmp_path, DATA, []).stderr
    command = [
        sys.executable,
        "-m",
        "gopd_eval",
        "grade-file",
        "--grader",
        "math",
        "--data",
        "absent",
        "--responses",
        "x",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "grade-file: absent cannot be read (No such file or directory); give a file of JSON lines\n"


def test_a_right_answer_that_cannot_be_met_is_told(tmp_path: Path) -> None:
    ended = grade_file(tmp_path, [{"id": 1, "answer": r"\frac{sqrt{7} + 1}{2}"}], [{"id": 1, "response": "7"}])
    assert ended.returncode == 0
    assert "the right answer of 1 cannot be met: sqrt without a backslash" in ended.stderr


def test_a_response_with_every_kind_of_sign_is_printed(tmp_path: Path) -> None:
    rows = ['{"id": "c", "response": "\\\\boxed{\\ud800 \\u0000 é 7}"}']
    ended = grade_file(tmp_path, DATA, rows, "-o", "json")
    assert json.loads(ended.stdout)["counts"]["samples"] == 1, ended.stderr


def test_it_imports_no_engine_and_no_numerical_library() -> None:
    code = (
        "import sys; from gopd_eval.shell.cli import main;"
        "main(['grade-file', '--help'], standalone_mode=False);"
        "print(sorted({'torch', 'vllm', 'transformers', 'numpy', 'scipy', 'sympy', 'mlflow'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
