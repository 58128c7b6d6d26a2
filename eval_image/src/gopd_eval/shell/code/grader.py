"""Grades answers to code problems: extraction, runs in the sandbox, comparison here, where the expected values are.

It decides which runs an answer needs. What a sandbox holds off is decided by `inside.lockdown` and tried by `selftest`
before the first grade; what a line means is decided by `core.code.verdicts`.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from marshal import dumps
from types import TracebackType
from typing import Any, Self

from gopd_eval.core.code.extraction import MAX_PROGRAM, seed_block, strict_program
from gopd_eval.core.code.mbpp_inputs import arguments_of
from gopd_eval.core.code.outputs import same_output
from gopd_eval.core.code.sanitize import TooLongError, sanitize
from gopd_eval.core.code.tests import CodeTests, FunctionTests, MethodTests, ProgramTests
from gopd_eval.core.code.values import UnreadableError, read
from gopd_eval.core.code.verdicts import Check, Reference, ending, error_text, function_check, method_check
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import Preset
from gopd_eval.core.samples import Grade, Sample, Verdict
from gopd_eval.shell.code import limits
from gopd_eval.shell.code.pool import Pool
from gopd_eval.shell.code.run import Ended, Run
from gopd_eval.shell.code.selftest import SandboxReport, self_test

KEPT_REFERENCES = 64
MOST_TIMES, MOST_MORE = 4, 1 << 20
"""How much longer than the expected output a script's may be: spaces and zeros at ends are not compared."""
Steps = Generator[Run | None, Ended | None, "Found"]


@dataclass(frozen=True)
class CodeWork:
    """One answer and the tests of its problem."""

    sample: Sample
    tests: CodeTests


@dataclass(frozen=True)
class Found:
    """A verdict without the sample that it belongs to."""

    verdict: Verdict
    detail: str
    base: Verdict | None = None


class CodeGrader:
    """Grades with `slots` programs running at once. Use as a context manager: leaving it ends every process."""

    def __init__(self, beat: Callable[[], None], slots: int | None = None) -> None:
        self._beat, self.pool = beat, Pool(slots or len(os.sched_getaffinity(0)), beat)
        self._references: OrderedDict[tuple[str, str], Reference | None] = OrderedDict()
        self._report: SandboxReport | None = None

    def __enter__(self) -> Self:
        self.pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.__exit__(kind, error, trace)

    def check_sandbox(self) -> SandboxReport:
        """Attacks the sandbox, once. Raises EvaluationError when one that must fail gets through."""
        if self._report is None:
            self._report = self_test(self.pool)
        return self._report

    @property
    def isolation(self) -> str:
        """What the sandbox enforces on this kernel, for the result."""
        return self.check_sandbox().text()

    def grade(self, work: Iterable[CodeWork], preset: Preset) -> Iterator[Grade]:
        """A grade for each piece of work, as they finish: `problem` and `sample` say which it is.

        `work` is read as slots come free, so tests can be loaded as they are needed. Raises EvaluationError when the
        sandbox does not hold, or a reference program does not run.
        """
        self.check_sandbox()
        yield from self.pool.do(self._graded(piece, preset) for piece in work)

    def reference(self, tests: FunctionTests) -> Reference:
        """What the reference program gives. Raises EvaluationError when it does not run."""
        self.check_sandbox()

        def steps() -> Generator[Run | None, Ended | None, Reference]:
            return (yield from self._reference(tests, arguments_of(tests)))

        (found,) = self.pool.do([steps()])
        return found

    def _graded(self, work: CodeWork, preset: Preset) -> Generator[Run | None, Ended | None, Grade]:
        sample = work.sample
        try:
            program = _program(sample.text, work.tests, preset)
            found = yield from self._found(program, sample, work.tests, preset)
        except TooLongError as error:
            program, found = None, Found("refused", str(error))
        return Grade(
            problem=sample.problem,
            sample=sample.sample,
            verdict=found.verdict,
            detail=found.detail,
            answer=None if program is None else program[:1000],
            response_tokens=len(sample.tokens),
            finish=sample.finish,
            base=(found.base or found.verdict) if isinstance(work.tests, FunctionTests) else None,
        )

    def _found(self, program: str | None, sample: Sample, tests: CodeTests, preset: Preset) -> Steps:
        if program is None:
            cut = sample.finish == "length"
            return Found("truncated", "cut before a program") if cut else Found("no_answer", "")
        if len(program) > MAX_PROGRAM:
            return Found("refused", f"a program of more than {MAX_PROGRAM} characters")
        match tests:
            case FunctionTests():
                found, check = yield from self._function(program, tests, preset)
                if preset == "seed" and not check.state.loaded:
                    return _not_loaded(found, check, sample)
                return found
            case MethodTests():
                return (yield from _method(program, tests, preset))
            case ProgramTests():
                return (yield from (_script if preset == "strict" else _texts)(program, tests))

    def _function(
        self, program: str, tests: FunctionTests, preset: Preset
    ) -> Generator[Run | None, Ended | None, tuple[Found, Check]]:
        arguments = arguments_of(tests)
        reference = yield from self._reference(tests, arguments)
        check = function_check(tests, arguments, reference, preset)
        job = {"run": "functions", "program": program, "entry": tests.entry_point, "inputs": arguments,
               "as_published": preset == "seed"}  # fmt: skip
        ended = yield Run(
            dumps(job),
            lambda number: limits.test_seconds(reference, preset, number),
            limits.whole_seconds(reference),
            reference.memory,
            check.line,
        )
        assert ended is not None
        verdict, why = check.verdict(ended.how, ended.code)
        passed, base = check.state.passed, tests.base
        done = f"base {min(passed, base)}/{base}, plus {max(0, passed - base)}/{len(tests.inputs) - base}"
        where = f"test {passed + 1}" if check.state.loaded else "the program"
        fault = "" if verdict == "correct" else f"; {where}: {why}"
        return Found(verdict, done + fault, "correct" if passed >= base else verdict), check

    def _reference(self, tests: FunctionTests, arguments: list[Any]) -> Generator[Run | None, Ended | None, Reference]:
        key = (tests.task_id, tests.reference)
        while key in self._references and self._references[key] is None:
            yield None  # another answer to the same problem is waiting for it already
        if (known := self._references.get(key)) is not None:
            return known
        self._references[key] = None
        try:
            found = yield from _run_reference(tests, arguments)
        except BaseException:
            del self._references[key]
            raise
        self._references[key] = found
        while len(self._references) > KEPT_REFERENCES:
            self._references.popitem(last=False)
        return found


def _program(text: str, tests: CodeTests, preset: Preset) -> str | None:
    if preset == "strict":
        return strict_program(text)
    if isinstance(tests, FunctionTests):
        return sanitize(text, tests.entry_point)
    return seed_block(text) or None


def _not_loaded(found: Found, check: Check, sample: Sample) -> Found:
    """The published harness always finds some text; what the text lacks is told apart here."""
    if sample.finish == "length":
        return Found("truncated", f"cut before a program: {found.detail}")
    return Found("no_answer", found.detail) if check.state.missing_name else found


def _run_reference(tests: FunctionTests, arguments: list[Any]) -> Generator[Run | None, Ended | None, Reference]:
    job = dumps({"run": "functions", "program": tests.reference, "entry": tests.entry_point, "inputs": arguments,
                 "timed": True})  # fmt: skip
    lines: list[bytes] = []
    memory = limits.MEMORY
    while True:
        ended = yield Run(job, lambda _: limits.REFERENCE_TEST, limits.REFERENCE_WHOLE, memory, lines.append)
        assert ended is not None
        if memory == limits.MEMORY_OF_A_LARGE_TASK or ending(ended.how, ended.code)[0] != "memory":
            break
        lines.clear()
        memory = limits.MEMORY_OF_A_LARGE_TASK
    values = lines[:-1]
    if len(lines) != len(arguments) + 1 or lines[-1][:1] != b"@" or any(line[:1] in b"!#" for line in values):
        wrong = next((line.decode() for line in lines if line[:1] in b"!#"), ending(ended.how, ended.code)[1])
        fault = f"the reference program of {tests.task_id} does not run ({wrong[:200]})"
        raise EvaluationError("data", fault, "import the data set again", "InvalidData")
    try:
        decoded = tuple(map(read, values))
        return Reference(tuple(values), decoded, tuple(read(lines[-1][1:])), memory)
    except UnreadableError as error:
        fault = f"values of the reference program of {tests.task_id} cannot be read ({error})"
        raise EvaluationError("data", fault, "import the data set again", "InvalidData") from None


def _method(program: str, tests: MethodTests, preset: Preset) -> Steps:
    check = method_check(tests, preset)
    job = {"run": "methods", "program": program, "entry": tests.method, "inputs": [case[0] for case in tests.cases],
           "preamble": True, "as_published": preset == "seed"}  # fmt: skip
    return (yield from _cases(job, check, len(tests.cases), preset))


def _texts(program: str, tests: ProgramTests) -> Steps:
    """Standard input as the published grader has it."""

    def right(number: int, line: bytes) -> bool:
        try:
            return same_output(read(line), tests.cases[number][1])
        except (UnreadableError, AttributeError):
            return False

    check = Check(len(tests.cases), right)
    job = {"run": "texts", "program": program, "inputs": [given for given, _ in tests.cases], "preamble": True,
           "as_published": True}  # fmt: skip
    return (yield from _cases(job, check, len(tests.cases), "seed"))


def _cases(job: dict[str, Any], check: Check, cases: int, preset: Preset) -> Steps:
    limit = limits.CASE[preset]
    ended = yield Run(dumps(job), lambda number: limit, limit * (cases + 1), limits.MEMORY, check.line)
    assert ended is not None
    verdict, why = check.verdict(ended.how, ended.code)
    return Found(verdict, _told(check.state.passed, cases, why))


def _script(program: str, tests: ProgramTests) -> Steps:
    """Each case is a run of its own, with real pipes."""
    job = dumps({"run": "program", "program": program})
    limit = limits.CASE["strict"]
    for number, (given, wanted) in enumerate(tests.cases):
        errors: list[bytes] = []
        most = MOST_TIMES * len(wanted) + MOST_MORE
        ended = yield Run(job, lambda _: limit, limit, limits.MEMORY, _first(errors), given.encode(), most)
        assert ended is not None
        if ended.how == "exit" and ended.code == 0:
            if same_output(ended.output.decode(errors="replace"), wanted):
                continue
            return Found("wrong", _told(number, len(tests.cases), "another output"))
        verdict, why = ending(ended.how, ended.code)
        if errors and verdict == "crash":
            verdict, why = "wrong", error_text(errors[0])
        return Found(verdict, _told(number, len(tests.cases), why))
    return Found("correct", _told(len(tests.cases), len(tests.cases), ""))


def _first(kept: list[bytes]) -> Callable[[bytes], None]:
    """Keeps one line: a program may write millions."""

    def keep(line: bytes) -> None:
        if not kept:
            kept.append(line)

    return keep


def _told(passed: int, cases: int, why: str) -> str:
    return f"{passed}/{cases} cases" + (f"; case {passed + 1}: {why}" if why else "")
