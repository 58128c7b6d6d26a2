"""Records of code problems are read as published; what cannot be used is named."""

import json
from typing import Any

import pytest

from gopd_eval.core.code.tests import (
    FunctionTests,
    MethodTests,
    ProgramTests,
    code_tests_from_json,
    code_tests_to_json,
    evalplus_tests,
    livecodebench_tests,
)
from gopd_eval.core.errors import EvaluationError

EVALPLUS: dict[str, Any] = {
    "task_id": "Own/1", "prompt": "def twice(x):\n", "entry_point": "twice", "canonical_solution": "    return 2 * x\n",
    "base_input": [[1], [2]], "plus_input": [[3]], "atol": 0,
}  # fmt: skip
STDIN = json.dumps([{"input": "1\n", "output": "2\n", "testtype": "stdin"}])
CALL = json.dumps([{"input": '[1, 2]\n"a"', "output": "[3]", "testtype": "functional"}])
LIVE: dict[str, Any] = {"public_test_cases": STDIN, "starter_code": "", "metadata": "{}"}


def test_an_evalplus_record_holds_a_whole_reference_program_and_says_which_tests_are_base() -> None:
    assert evalplus_tests(EVALPLUS, "line 1", "tasks[0]") == FunctionTests(
        "Own/1", "twice", "def twice(x):\n    return 2 * x\n", ([1], [2], [3]), 2, 0.0
    )


def test_a_livecodebench_record_holds_public_and_private_cases() -> None:
    assert livecodebench_tests(LIVE, STDIN, "line 1", "tasks[0]") == ProgramTests((("1\n", "2\n"), ("1\n", "2\n")))
    record = {**LIVE, "public_test_cases": CALL, "starter_code": "class Solution:", "metadata": '{"func_name": "f"}'}
    found = livecodebench_tests(record, "[]", "line 1", "tasks[0]")
    assert found == MethodTests("class Solution:", "f", ((([1, 2], "a"), [3]),))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"entry_point": 3}, "`entry_point`"), ({"base_input": []}, "`base_input`"),
        ({"plus_input": [3]}, "`base_input` and `plus_input`"),
        ({"atol": -1}, "`atol`"), ({"canonical_solution": None}, "`canonical_solution`"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_used_is_refused_by_line_and_entry(change: dict[str, Any], named: str) -> None:
    with pytest.raises(EvaluationError, match=f"tasks.0.: line 7 of a file has no {named}"):
        evalplus_tests({**EVALPLUS, **change}, "line 7 of a file", "tasks[0]")


@pytest.mark.parametrize(
    ("change", "private", "fault"),
    [
        ({"public_test_cases": "["}, "[]", "`public_test_cases` of line 7 is not JSON"),
        ({}, "[1]", "line 7 has no `private_test_cases`"),
        ({"public_test_cases": "[]"}, "[]", "it has none"),
        ({}, CALL, "it has functional, stdin"),
        ({"public_test_cases": CALL}, "[]", "metadata.func_name"),
    ],
)
def test_a_livecodebench_record_that_cannot_be_used_is_refused(
    change: dict[str, Any], private: str, fault: str
) -> None:
    with pytest.raises(EvaluationError, match=fault):
        livecodebench_tests({**LIVE, **change}, private, "line 7", "tasks[0]")


@pytest.mark.parametrize(
    "tests",
    [
        FunctionTests("a", "f", "def f(): pass", ([1], [[2], "x"]), 1, 1e-6),
        ProgramTests((("1", "2"),)),
        MethodTests("class Solution:", "f", (((1, [2]), None),)),
    ],
)
def test_tests_come_back_from_json(tests: FunctionTests | ProgramTests | MethodTests) -> None:
    assert code_tests_from_json(json.loads(json.dumps(code_tests_to_json(tests))), "line 1", "f") == tests


@pytest.mark.parametrize("record", [{}, {"kind": "other"}, {"kind": "program"}, {"kind": "function", "inputs": []}])
def test_tests_that_were_not_written_here_are_refused(record: dict[str, Any]) -> None:
    with pytest.raises(EvaluationError, match="the tests in line 3 cannot be read"):
        code_tests_from_json(record, "line 3", "f")
