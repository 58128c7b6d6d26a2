"""Records of known benchmarks as they are published: what is asked under each preset, and what is refused."""

import base64
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from gopd_api.evaluation import Task
from gopd_eval.core.benchmarks.pickled import private_cases
from gopd_eval.core.benchmarks.records import RecordError
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import Problem, data_digest, parse_problems, places

BOX = "\nPlease reason step by step, and put your final answer within \\boxed{}."
CODE = (
    "\n\nWrite Python code to solve the problem. Present the code in \n```python\nYour code\n```\nat the end.\n"
    "You need to think first then write the Python code."
)
MBPP = {
    "task_id": "Mbpp/2", "prompt": '"""\nShare.\n"""\n', "entry_point": "share", "canonical_solution": "def share(): 1",
    "base_input": [[1]], "plus_input": [], "atol": 0,
}  # fmt: skip


def contest(number: int, day: str, starter: str = "", **more: Any) -> dict[str, Any]:
    return {
        "question_id": f"abc{number}", "question_content": f"Add {number}.", "starter_code": starter,
        "contest_date": f"{day}T00:00:00", "public_test_cases": "[]", "private_test_cases": "[]", "metadata": "{}",
    } | more  # fmt: skip


def read(task: dict[str, Any], *records: object) -> list[Problem]:
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    return parse_problems(places("f", lines), Task.model_validate(task), "tasks[0].data")


@pytest.mark.parametrize("preset", ["strict", "seed"])
@pytest.mark.parametrize(
    ("benchmark", "record", "prompt", "answer", "name"),
    [
        ("aime24", {"id": 60, "problem": "Walk?", "answer": "204"}, "Walk?" + BOX, "204", "60"),
        ("aime25", {"problem": "Sum?", "answer": 70, "id": "0"}, "Sum?" + BOX, "70", "0"),
        ("math500", {"problem": "P", "answer": r"\pi", "unique_id": "t/1"}, "P" + BOX, r"\pi", "t/1"),
        ("gsm8k", {"question": "Q", "answer": "2+2=<<2+2=4>>\n#### 1,234"}, "Q" + BOX, "1234", None),
        ("mbpp-plus", MBPP, MBPP["prompt"] + CODE, None, "Mbpp/2"),  # type: ignore[operator]
        ("code", MBPP, MBPP["prompt"] + CODE, None, "Mbpp/2"),  # type: ignore[operator]
    ],
)
def test_a_record_is_asked_as_the_published_harness_asks_it(
    preset: str, benchmark: str, record: object, prompt: str, answer: str | None, name: str | None
) -> None:
    (problem,) = read({"benchmark": benchmark, "data": "f", "preset": preset}, record)
    assert (problem.prompt, problem.answer, problem.published_id) == (prompt, answer, name)


def test_a_contest_is_asked_with_its_starter_code_unless_the_published_harness_is_wanted() -> None:
    starter = "class Solution:\n    def add(self, n: int) -> int:\n        "
    records = [contest(1, "2025-01-04", starter), contest(2, "2025-01-05")]
    method, program = (str(problem.prompt) for problem in read({"benchmark": "livecodebench"}, *records))
    assert "```python\nclass Solution:\n    def add(self, n: int) -> int:" in method
    assert "standard input" in program and "class Solution" not in program
    seed = read({"benchmark": "livecodebench", "preset": "seed"}, *records)
    assert "class Solution" not in str(seed[0].prompt)
    assert str(seed[1].prompt).endswith(f"Question:\nAdd 2.\n\n{CODE}")


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ({}, [3, 4, 5]),
        ({"since": "2025-01-04"}, [4, 5]),
        ({"until": "2025-01-04"}, [3, 4]),
        ({"since": "2025-01-04", "until": "2025-01-04"}, [4]),
        ({"since": "2025-01-04", "limit": 1}, [4]),
    ],
)
def test_a_window_takes_the_contests_of_its_days_and_the_limit_counts_these(
    window: dict[str, Any], days: list[int]
) -> None:
    records = [contest(day, f"2025-01-0{day}") for day in (3, 4, 5)]
    found = read({"benchmark": "livecodebench"} | window, *records)
    assert [problem.published_id for problem in found] == [f"abc{day}" for day in days]


def test_a_window_without_a_contest_is_an_error() -> None:
    with pytest.raises(
        EvaluationError, match="holds no problem of a contest since 2026-01-01 until the last; set other"
    ):
        read({"benchmark": "livecodebench", "since": "2026-01-01"}, contest(1, "2025-01-04"))


def test_changed_tests_are_other_data() -> None:
    (first,), (second,) = (
        read({"benchmark": "mbpp-plus"}, MBPP | {"plus_input": plus}) for plus in ([], [[2]])
    )  # fmt: skip
    assert first.id == second.id
    assert data_digest([first]) != data_digest([second])


@pytest.mark.parametrize(
    ("benchmark", "record", "message"),
    [
        ("aime24", {"id": 1, "answer": "2"}, "line 1 of f has no text `problem`"),
        ("aime24", {"id": 1, "problem": "?", "answer": None}, "has no `answer`; give the file as it was published"),
        ("gsm8k", {"question": "?", "answer": "4"}, "has an `answer` without ####"),
        ("mbpp-plus", {**MBPP, "plus_input": 1}, "has no lists `base_input` and `plus_input`"),
        ("livecodebench", {"question_id": "1"}, "has no text `starter_code`"),
        ("humaneval-plus", [1], "is no JSON object"),
    ],
)
def test_a_record_that_cannot_be_used_is_told_with_its_line(benchmark: str, record: object, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read({"benchmark": benchmark}, record)


CASES = json.dumps([{"input": "1\n", "output": "2\n" * 1000, "testtype": "stdin"}])


def packed(pickled: bytes) -> str:
    return base64.b64encode(zlib.compress(pickled)).decode()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_tests_of_every_protocol_are_read_without_unpickling(
    protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = packed(pickle.dumps(CASES, protocol))
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("unpickled"))
    assert private_cases(published) == CASES
    assert private_cases(CASES) == CASES


class RunsSomething:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/must-not-be-there",)


@pytest.mark.parametrize(
    ("published", "message"),
    [
        (packed(pickle.dumps(RunsSomething())), "more than a text .they say STACK_GLOBAL"),
        (packed(pickle.dumps(RunsSomething(), 0)), "more than a text .they say GLOBAL"),
        (packed(pickle.dumps([CASES])), "more than a text .they say EMPTY_LIST"),
        (packed(b"\x80\x04."), "0 texts where one belongs"),
        (packed(pickle.dumps(CASES)[:-40]), "cannot be read"),
        ("no base64!", "cannot be unpacked"),
        (base64.b64encode(b"no zlib").decode(), "cannot be unpacked"),
    ],
)
def test_whatever_else_is_pickled_is_refused_and_not_run(published: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        private_cases(published)
    assert not Path("/tmp/must-not-be-there").exists()


def test_a_stream_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gopd_eval.core.benchmarks.pickled.LARGEST", 1 << 20)
    with pytest.raises(RecordError, match="of more than 1 MiB"):
        private_cases(packed(b"0" * (64 << 20)))


def test_errata_mend_what_strict_asks_and_grades_and_leave_the_published_harness_alone() -> None:
    records = [
        {"id": 1, "problem": r"Let $\overlien{ab}$ be", "answer": "5"},
        {"id": 20, "problem": "Orbits", "answer": r"\frac{sqrt{7} + 1}{2}"},
        {"id": 21, "problem": "Orbits", "answer": r"\frac{sqrt{7} + 1}{2}"},
    ]
    strict = read({"benchmark": "hmmt25-nov"}, *records)
    seed = read({"benchmark": "hmmt25-nov", "preset": "seed"}, *records)
    assert [r"\overline{ab}" in str(problems[0].prompt) for problems in (strict, seed)] == [True, False]
    assert [problem.answer for problem in strict[1:]] == [r"\frac{\sqrt{7} + 1}{2}", r"\frac{sqrt{7} + 1}{2}"]
    assert [problem.answer for problem in seed[1:]] == [r"\frac{sqrt{7} + 1}{2}"] * 2
