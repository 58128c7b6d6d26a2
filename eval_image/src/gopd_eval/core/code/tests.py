"""The tests of a code problem: what is called or fed, and what is expected; read from published records and from JSON.

It decides what a record means. It does not run anything: expected values of `FunctionTests` come from running the
reference program, which is the grader's work. Published EvalPlus inputs are JSON, which knows no tuples; the shape
that a problem's arguments had is restored by `core.code.mbpp_inputs`, by task id.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from gopd_eval.core.errors import EvaluationError

REMEDY = "give a record as published, or import the data set again"


@dataclass(frozen=True)
class FunctionTests:
    """EvalPlus: the entry point is called with each list of arguments, and its values are compared."""

    task_id: str
    """As published (`Mbpp/2`, `HumanEval/32`): some tasks have arguments, or a comparison, of their own."""
    entry_point: str
    reference: str
    """The whole program that is right by definition: prompt and canonical solution."""
    inputs: tuple[Any, ...]
    """One list of arguments a test, as in the record's JSON; the base tests first."""
    base: int
    """How many of the inputs are base tests; the others are the plus tests."""
    atol: float
    kind: Literal["function"] = "function"


@dataclass(frozen=True)
class ProgramTests:
    """LiveCodeBench over standard input: the program is run once a case."""

    cases: tuple[tuple[str, str], ...]
    """What the program reads, what it should write."""
    kind: Literal["program"] = "program"


@dataclass(frozen=True)
class MethodTests:
    """LiveCodeBench with starter code: a method of `Solution` is called once a case."""

    starter: str
    method: str
    cases: tuple[tuple[tuple[Any, ...], Any], ...]
    """Arguments, value that is expected: both as JSON has them."""
    kind: Literal["method"] = "method"


CodeTests = FunctionTests | ProgramTests | MethodTests


def code_tests_to_json(tests: CodeTests) -> dict[str, Any]:
    """For a JSON file; `code_tests_from_json` reads it again."""
    return dict(vars(tests))


def code_tests_from_json(record: dict[str, Any], place: str, field: str) -> CodeTests:
    """Raises EvaluationError naming `field` and `place` when the record was not written by `code_tests_to_json`."""
    try:
        match record["kind"]:
            case "function":
                return FunctionTests(**{**record, "inputs": tuple(record["inputs"])})
            case "program":
                return ProgramTests(tuple((str(given), str(wanted)) for given, wanted in record["cases"]))
            case "method":
                cases = tuple((tuple(arguments), wanted) for arguments, wanted in record["cases"])
                return MethodTests(record["starter"], record["method"], cases)
            case other:
                raise ValueError(f"no kind of tests is named {other!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(field, f"the tests in {place} cannot be read ({error!r})", REMEDY) from None


def evalplus_tests(record: dict[str, Any], place: str, field: str) -> FunctionTests:
    """The tests of an EvalPlus record, HumanEval+ or MBPP+.

    Raises EvaluationError naming `field`, `place` and the entry of the record that cannot be used.
    """
    task, entry, prompt, solution = (
        _entry(record, name, str, place, field) for name in ("task_id", "entry_point", "prompt", "canonical_solution")
    )
    base = _entry(record, "base_input", list, place, field)
    plus = _entry(record, "plus_input", list, place, field) if record.get("plus_input") else []
    if not base or not all(isinstance(arguments, list) for arguments in [*base, *plus]):
        _refuse("`base_input` and `plus_input`, lists of arguments,", place, field)
    atol = record.get("atol", 0)
    if isinstance(atol, bool) or not isinstance(atol, int | float) or not atol >= 0:
        _refuse("`atol`, a number from 0,", place, field)
    return FunctionTests(task, entry, prompt + solution, (*base, *plus), len(base), float(atol))


def livecodebench_tests(record: dict[str, Any], private: str, place: str, field: str) -> ProgramTests | MethodTests:
    """The tests of a LiveCodeBench record: the public cases, then the private ones.

    `private` is the JSON text of the private cases: see `core.benchmarks.pickled` for the published form.
    Raises EvaluationError naming `field`, `place` and the entry that cannot be used.
    """
    public = _cases(_entry(record, "public_test_cases", str, place, field), "public_test_cases", place, field)
    cases = [*public, *_cases(private, "private_test_cases", place, field)]
    kinds = {case["testtype"] for case in cases}
    if kinds == {"stdin"}:
        return ProgramTests(tuple((case["input"], case["output"]) for case in cases))
    if kinds != {"functional"}:
        _refuse(f"one kind of tests (stdin or functional; it has {', '.join(sorted(kinds)) or 'none'})", place, field)
    method = _json(_entry(record, "metadata", str, place, field), "metadata", place, field).get("func_name")
    if not isinstance(method, str):
        _refuse("`metadata.func_name`", place, field)
    return MethodTests(
        starter=_entry(record, "starter_code", str, place, field),
        method=method,
        cases=tuple(_method_case(case, place, field) for case in cases),
    )


def _method_case(case: dict[str, str], place: str, field: str) -> tuple[tuple[Any, ...], Any]:
    try:
        return tuple(json.loads(line) for line in case["input"].split("\n")), json.loads(case["output"])
    except json.JSONDecodeError as error:
        raise EvaluationError(field, f"a functional test of {place} is not JSON ({error})", REMEDY) from None


def _cases(text: str, name: str, place: str, field: str) -> list[dict[str, str]]:
    cases = _json(text, name, place, field)
    wanted = ("input", "output", "testtype")
    if not isinstance(cases, list) or not all(
        isinstance(case, dict) and all(isinstance(case.get(key), str) for key in wanted) for case in cases
    ):
        _refuse(f"`{name}`, a list of cases with {', '.join(wanted)},", place, field)
    return list(cases)


def _json(text: str, name: str, place: str, field: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise EvaluationError(field, f"`{name}` of {place} is not JSON ({error})", REMEDY) from None


def _entry(record: dict[str, Any], name: str, kind: type, place: str, field: str) -> Any:
    value = record.get(name)
    if not isinstance(value, kind):
        _refuse(f"`{name}` ({'a text' if kind is str else 'a list'})", place, field)
    return value


def _refuse(what: str, place: str, field: str) -> NoReturn:
    raise EvaluationError(field, f"{place} has no {what.rstrip(',')}", REMEDY)
