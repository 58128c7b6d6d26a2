"""The comparing processes: no answer hangs, kills or slows the grading, and what could not be compared is said.

What can exhaust a symbolic parser is compared for real, with sympy on Python's integers and on gmpy2's. Which of them
is at work is seen in the process: gmpy2's library is mapped into it, or it is not.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest
from tests.eval.spellings import answer, boxed

from gopd_eval.core.grading import GRADER_VERSION, Comparison, Preset, count, grade_sample
from gopd_eval.core.limits import MAX_LENGTH, exceeded_limit
from gopd_eval.core.samples import Grade, Sample, Verdict
from gopd_eval.shell import equality as shell
from gopd_eval.shell.equality import CLOCK_FACTOR, Equality, Question

EXHAUSTING = {
    "tower": "9^{9^{9^9}}", "tower of tens": "10^{10^{10}}", "long tower": "2^{3^{4^{5^{6^{7}}}}}", "power": "2^{10^9}",
    "factorial": "100000000!", "factorials": "((20!)!)!", "binomial": r"\binom{10^9}{5 \cdot 10^8}",
    "polynomial": "(x+y+z+1)^{300}", "brackets": "(" * 500 + "1" + ")" * 500, "digits": "7" * 100_000,
    "sum": "+".join(["1"] * 10_000), "integral": r"\int_0^1 \frac{\sin(x^x)}{\ln(x)+e^{x^2}} dx",
}  # fmt: skip
RESPONSES = {
    "sum outside a box": "+".join(["1"] * 10_000), "prose": "and so it goes on " * 11_000, "dollars": "$" * 10_000,
    "open boxes": r"\boxed{" * 5_000, "open braces": r"\boxed" + "{" * 50_000, "fractions": r"\frac{1}{" * 5_000,
}  # fmt: skip
SECONDS = 0.5
QUICK: dict[Question, float] = {"strict": SECONDS, "seed": SECONDS}


@pytest.fixture(params=["python", "gmpy2"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What sympy computes with."""
    if request.param == "gmpy2":
        monkeypatch.setattr(shell, "ARITHMETIC", {"SYMPY_GROUND_TYPES": "gmpy2"})
    return str(request.param)


def uses_gmpy2(pid: int) -> bool:
    return "gmpy2" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("preset", ["strict", "seed"])
def test_nothing_exhausting_is_without_verdict_or_over_its_limit_or_spoils_what_comes_after(
    arithmetic: str, preset: Preset
) -> None:
    took: dict[str, float] = {}
    with Equality(lambda: None, QUICK, slots=2) as equality:
        assert equality.compare("x", "y", "strict").outcome == "different"
        assert [uses_gmpy2(pid) for pid in equality.pids] == [arithmetic == "gmpy2"]

        def verdicts(item: tuple[str, Sample]) -> tuple[str, str]:
            started = time.monotonic()
            graded = grade_sample(item[1], "12", preset, equality.compare)
            took[item[0]] = time.monotonic() - started
            # Another number each time: an answer that was compared before is not compared again.
            right, given = rf"\sqrt{{{2 * len(took)}}}", rf"\sqrt{{2}} \cdot \sqrt{{{len(took)}}}"
            after = grade_sample(boxed(given), right, preset, equality.compare)
            return graded.verdict, after.verdict

        cases = {name: boxed(text) for name, text in EXHAUSTING.items()}
        cases |= {name: answer(text) for name, text in RESPONSES.items()}
        found = dict(zip(cases, equality.in_order(verdicts, cases.items()), strict=True))
    assert {after for _, after in found.values()} == {"correct"}
    assert {first for first, _ in found.values()} <= {"wrong", "no_answer", "timeout", "memory", "refused"}, found
    assert max(took.values()) < SECONDS * CLOCK_FACTOR + 20, "its limit, and the start of two processes"


def test_a_hanging_comparison_is_a_timeout_and_not_a_wrong_answer() -> None:
    with Equality(lambda: None, QUICK) as equality:
        grade = grade_sample(boxed(EXHAUSTING["polynomial"]), "12", "strict", equality.compare)
    assert (grade.verdict, grade.detail) == ("timeout", "box")


def test_repeated_signs_cost_the_grading_no_time() -> None:
    """The patterns of extraction and spelling run where nothing can be killed."""
    units = [
        "1", "-", "$", "\\", "{", "}", r"\left", r"\text{", "√", "√(", "sqrt(", r"\,", "1,", "1,234", "]1,", " ", "1 ",
        "1.", r"\overline{1", r"0.1\overline{3}", r"\pm", "**", r"\(", "1/", r"\frac{", r"\boxed{", r"\boxed ",
    ]  # fmt: skip
    for unit in units:
        for text in (unit * (MAX_LENGTH // len(unit)), unit * (MAX_LENGTH // len(unit) - 1) + "5"):
            started = time.process_time()
            grade_sample(boxed(text), "12", "strict", lambda *_: Comparison("different"))
            grade_sample(answer(text * 10), "12", "strict", lambda *_: Comparison("different"))
            assert time.process_time() - started < 3, unit


def test_a_process_that_is_killed_in_the_middle_costs_one_answer_and_is_replaced() -> None:
    with Equality(lambda: None, {"strict": 30.0}, slots=1) as equality:
        equality.compare("x", "y", "strict")
        (pid,) = equality.pids
        killer = threading.Timer(0.5, os.kill, (pid, 9))
        killer.start()
        assert equality.compare("12", EXHAUSTING["polynomial"], "strict").outcome == "crash"
        killer.join()
        assert equality.compare("x+1", "1+x", "strict").outcome == "equal"
        assert equality.pids != [pid]


def test_answers_are_compared_from_any_thread_at_once_and_kept_in_order() -> None:
    numbers = list(range(2, 42))
    with Equality(lambda: None, {"strict": 30.0}, slots=2) as equality:

        def square(number: int) -> str:
            return equality.compare(str(number), rf"\sqrt{{{number * number}}}", "strict").outcome

        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(square, numbers)) == ["equal"] * len(numbers)
        assert len(equality.pids) == 2
        assert list(equality.in_order(lambda number: (square(number), number), numbers)) == [
            ("equal", number) for number in numbers
        ]


def test_an_error_of_the_work_comes_out_at_its_place() -> None:
    def failing(number: int) -> int:
        if number == 3:
            raise TimeoutError("of the work")
        return number

    found = []
    with Equality(lambda: None) as equality, pytest.raises(TimeoutError, match="of the work"):
        for number in equality.in_order(failing, range(6)):
            found.append(number)
    assert found == [0, 1, 2]


def test_the_same_question_is_asked_once() -> None:
    with Equality(lambda: None, slots=1) as equality:
        assert equality.compare("x+1", "1+x", "strict").outcome == "equal"
        os.kill(equality.pids[0], 9)
        assert equality.compare("x+1", "1+x", "strict").outcome == "equal"


def test_the_grading_lives_while_it_waits_for_an_answer() -> None:
    beats = []
    with Equality(lambda: beats.append(1), {"strict": 2.0}) as equality:
        list(equality.in_order(lambda given: equality.compare("12", given, "strict"), [EXHAUSTING["polynomial"]]))
    assert len(beats) >= 3


def test_the_comparing_process_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hunter2")
    with Equality(lambda: None) as equality:
        equality.compare("x", "y", "strict")
        assert b"hunter2" not in Path(f"/proc/{equality.pids[0]}/environ").read_bytes()


def test_the_comparing_process_has_a_limit_of_memory() -> None:
    with Equality(lambda: None) as equality:
        equality.compare("x", "y", "strict")
        limits = Path(f"/proc/{equality.pids[0]}/limits").read_text()
    assert f"Max address space         {2**30}" in limits


def test_no_comparing_process_is_left_behind() -> None:
    with Equality(lambda: None) as equality:
        equality.compare("x", "y", "strict")
        (pid,) = equality.pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_leaving_does_not_wait_for_what_is_being_compared() -> None:
    with Equality(lambda: None, {"strict": 100.0}, slots=2) as equality:
        equality.compare("x", "y", "strict")
        pid = equality.pids[0]
        threading.Thread(target=equality.compare, args=("12", EXHAUSTING["polynomial"], "strict")).start()
        time.sleep(0.5)
        started = time.monotonic()
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("name", sorted(EXHAUSTING.keys() - {"power", "binomial", "polynomial", "integral"}))
def test_what_can_only_exhaust_a_parser_is_refused_before_it(name: str) -> None:
    assert exceeded_limit(EXHAUSTING[name]) is not None


@pytest.mark.parametrize("text", [r"2^{25} \cdot 26!", r"\frac{1}{2004!}", "2^{2024}", "e^{x^2}", "((((1))))"])
def test_ordinary_answers_are_within_the_limits(text: str) -> None:
    assert exceeded_limit(text) is None


def never(right: str, given: str, preset: Preset) -> Comparison:
    raise AssertionError("compared")


def test_a_refused_answer_names_the_limit() -> None:
    grade = grade_sample(boxed("100000000!"), "12", "strict", never)
    assert grade.verdict == "refused"
    assert grade.detail == "limit: a factorial of a number of more than 4 digits"


@pytest.mark.parametrize(
    ("text", "finish", "verdict"),
    [
        ("It is 12", "length", "truncated"), ("It is 12", "stop", "correct"), ("I do not know.", "stop", "no_answer"),
        (r"\boxed{12} and then", "length", "correct"), (r"\boxed{13} and then", "length", "wrong"),
        (r"\boxed{12", "length", "truncated"), ("<think>It is 12", "stop", "no_answer"),
    ],
)  # fmt: skip
def test_a_cut_response_is_wrong_only_when_it_had_answered(text: str, finish: str, verdict: str) -> None:
    sample = Sample("p", 0, 0, 1, [1], text, finish)  # type: ignore[arg-type]
    assert grade_sample(sample, "12", "strict", never).verdict == verdict, "numbers are compared without a process"


@pytest.mark.parametrize("right", ["7", "007", "123456789012345"])
def test_plain_integers_need_no_process_under_either_preset(right: str) -> None:
    for preset in ("strict", "seed"):
        assert grade_sample(boxed("7"), right, preset, never).verdict == ("correct" if int(right) == 7 else "wrong")


def test_counts_add_up() -> None:
    verdicts = [*get_args(Verdict), "wrong"]
    counts = count(Grade("p", n, verdict, "", None, 1, "stop") for n, verdict in enumerate(verdicts))
    assert (counts.samples, counts.wrong) == (9, 2)
    found = counts.model_dump()
    assert found.pop("samples") == sum(found.values())
    assert set(found) == set(get_args(Verdict))
    assert GRADER_VERSION


@pytest.mark.parametrize("preset", ["strict", "seed"])
def test_an_answer_that_is_a_program_is_not_run(preset: Preset, tmp_path: Path) -> None:
    """Some symbolic parsers evaluate what they read."""
    made = tmp_path / "made"
    calls = [
        f"open('{made}','w')", f"__import__('os').system('touch {made}')", f"1+open('{made}','w').close()",
        f"2*(lambda:open('{made}','w'))()", rf"\sqrt{{open('{made}','w')}}", rf"x_{{open('{made}','w')}}",
        rf"\text{{open('{made}','w')}}", f"[x for x in open('{made}','w')]",
    ]  # fmt: skip
    with Equality(lambda: None, slots=2) as equality:
        for call in calls:
            for right in ("5", r"\sqrt{2}"):
                assert grade_sample(boxed(call), right, preset, equality.compare).verdict != "correct", call
    assert not made.exists()
