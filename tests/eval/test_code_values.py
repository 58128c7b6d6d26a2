"""Extraction, the sanitizer as published, and the comparison of values, oracle by oracle."""

import ast
from typing import Any

import pytest

from gopd_eval.core.code.extraction import seed_block, strict_program
from gopd_eval.core.code.mbpp_inputs import arguments_of
from gopd_eval.core.code.oracles import Judge
from gopd_eval.core.code.sanitize import TooLongError, longest_program, sanitize
from gopd_eval.core.code.tests import FunctionTests
from gopd_eval.core.code.values import Opaque, Preset, UnreadableError, read
from gopd_eval.shell.code.inside.encode import encode

VALUES: list[Any] = [
    None, True, 1, -1.5, -0.0, 2**70, "é\ud800", [1, (2, [3])], {1, 2}, frozenset({3}), {"a": (1,), 2: None}, b"\xff",
    complex(1, -2), float("inf"), [], (), set(), {},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_with_its_type(value: object) -> None:
    found = read(encode(value))
    assert (found, type(found), repr(found)) == (value, type(value), repr(value))


def test_a_value_of_an_unknown_type_is_equal_to_nothing() -> None:
    first, second = read(encode(object())), read(encode(object()))
    assert isinstance(first, Opaque)
    assert first != second


@pytest.mark.parametrize("line", [b"", b"{", b'{"t":1}', b'{"i":"x"}', b'{"x":1}', b'{"t":[],"s":[]}', b"[" * 5000])
def test_a_forged_line_is_unreadable(line: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(line)


def right(task: str, entry: str, given: object, wanted: object, arguments: list[Any], **more: Any) -> bool:
    preset: Preset = more.get("preset", "strict")
    tests = FunctionTests(task, entry, "", (arguments,), 1, more.get("atol", 0.0))
    return Judge(tests, preset).right(arguments, given, wanted, plain=True)


def test_a_root_is_right_when_the_polynomial_vanishes_there_wherever_the_reference_found_its_own() -> None:
    line = [-6.0, 11.0, -6.0, 1.0]  # (x - 1)(x - 2)(x - 3)
    assert right("HumanEval/32", "find_zero", 3.0, 1.0, [line], atol=1e-4)
    assert not right("HumanEval/32", "find_zero", 2.5, 1.0, [line], atol=1e-4)
    assert not right("HumanEval/32", "find_zero", "3", 1.0, [line], atol=1e-4)


@pytest.mark.parametrize(
    ("entry", "given", "wanted", "arguments", "verdict"),
    [
        ("similar_elements", [2, 1, 1], (1, 2), [], True), ("similar_elements", [1], (1, 2), [], False),
        ("check_str", "a match", True, [], True), ("check_str", None, True, [], False),
        ("check_str", False, None, [], True),
        ("sum_div", 0, 7, [7], True), ("sum_div", 1, 7, [7], False), ("are_equivalent", 5, True, [1, 2], True),
        ("digit_distance_nums", 2, 3, [23, 56], False), ("digit_distance_nums", 6, 3, [23, 56], True),
        ("other", 0.1 + 0.2, 0.3, [], True), ("other", 0.3001, 0.3, [], False), ("other", [0.1 + 0.2], [0.3], [], True),
        ("other", (0.1 + 0.2,), [0.3], [], False), ("other", 1, True, [], True), ("other", (1, 2), [1, 2], [], False),
    ],
)  # fmt: skip
def test_values_are_compared_by_the_published_rules(
    entry: str, given: object, wanted: object, arguments: list[Any], verdict: bool
) -> None:
    assert right("Mbpp/1", entry, given, wanted, arguments) is verdict


def test_not_a_number_is_itself_in_strict_only() -> None:
    nan = float("nan")
    assert right("Own/1", "f", [nan, 1.0], [float("nan"), 1.0], [])
    assert not right("Own/1", "f", [nan, 1.0], [float("nan"), 1.0], [], preset="seed")


def test_arguments_have_the_types_that_json_took_from_them() -> None:
    def of(task: str, arguments: list[Any]) -> list[Any]:
        return arguments_of(FunctionTests(task, "f", "", (arguments,), 1, 0.0))[0]

    assert of("Mbpp/2", [[1], [2]]) == [(1,), (2,)]
    assert of("Mbpp/63", [[[1, 2]]]) == [[(1, 2)]]
    assert of("Mbpp/115", [[[1], []]]) == [[{1}, {}]]
    assert of("Mbpp/124", ["1", "2j"]) == [1.0, 2j]
    assert of("HumanEval/2", [[1]]) == [[1]]


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\na = 1\n```\nor\n```python\nb = 2\n```\nRun it:\n```bash\npython b\n```", "b = 2\n"),
        ("<think>```python\nno\n```</think>\n```\nyes()\n```", "yes()\n"),
        ("<think>```python\nno()\n```", None),
        ("  ```py\n  a = 1\n  ```", "a = 1\n"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("hello", None),
        ("```python\na = 1", None),
    ],
)
def test_strict_takes_the_last_closed_python_block_after_the_thinking(text: str, program: str | None) -> None:
    assert strict_program(text) == program


def test_seed_takes_what_stands_between_the_last_two_fences() -> None:
    assert seed_block("```python\na\n```\nprose\n```python\ncut") == "prose"
    assert seed_block("no fence") == ""


TEXTS = [
    "```python\nimport math\n@cache\ndef f(x):\n    return g(x)\ndef g(x): return 1\ndef h(x):\n    print(x)\n```\n",
    "def f(x):\n    return 1\n\nprint(f(2))\nx = 3\n",
    "a (b\ndef f():\n    '''\nat the margin\n'''\n    return 2\nelse:\n",
    "one\n\ntwo three\nx = [\n1,\n]\n",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_the_longest_program_is_that_of_the_exhaustive_search(text: str) -> None:
    def parses(part: str) -> bool:
        try:
            ast.parse(part)
        except SyntaxError:
            return False
        return True

    lines = text.split("\n")
    best, found = 0, lines[0]
    for start in range(len(lines)):
        for end in range(start + 1, len(lines)):
            part = lines[start : end + 1]
            filled = sum(1 for line in part if line.strip())
            if filled > best and parses("\n".join(part)):
                best, found = filled, "\n".join(part)
    assert longest_program(text) == found


def test_the_sanitizer_keeps_what_the_entry_point_needs_and_drops_what_the_published_one_drops() -> None:
    code = (
        "import os\ndef f(x):\n    return g(x)\ndef g(x):\n    return K\nK = 1\nL = 2\ndef show(x):\n    print(x)\nf(1)"
    )
    assert sanitize(code, "f") == "import os\ndef f(x):\n    return g(x)\ndef g(x):\n    return K\nK = 1"
    assert sanitize("import functools\n@functools.cache\ndef f(x):\n    return 1", "f") == "import functools"


def test_a_response_that_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gopd_eval.core.code.sanitize.MAX_PARSED", 50_000)
    with pytest.raises(TooLongError):
        longest_program("f(\n" * 300)
