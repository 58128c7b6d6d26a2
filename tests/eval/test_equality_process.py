"""The comparing process: no answer hangs, kills or slows the grading, and what could not be compared is said."""

import os
import time
from typing import get_args

import pytest

from gopd_eval.core.grading import GRADER_VERSION, count, grade_sample
from gopd_eval.core.limits import exceeded_limit
from gopd_eval.core.samples import Grade, Sample, Verdict
from gopd_eval.shell.equality import EqualityProcess

ATTACKS = [
    "9^{9^{9^9}}", "10^{10^{10}}", "2^{10^9}", "100000000!", "((20!)!)!", r"\binom{10^9}{5 \cdot 10^8}",
    "(x+y+z+1)^{300}", "(" * 500 + "1" + ")" * 500, "7" * 100_000, "+".join(["1"] * 10_000),
]  # fmt: skip


def test_every_attack_ends_in_time_and_the_next_answer_is_still_compared() -> None:
    with EqualityProcess(lambda: None, {"strict": 0.5, "seed": 0.5}) as equality:
        equality.compare("x", "x", "strict")  # starting is not what is measured
        for attack in ATTACKS:
            started = time.monotonic()
            outcome = equality.compare("12", attack, "strict").outcome
            assert outcome in ("different", "timeout", "crash"), attack
            assert time.monotonic() - started < 20, attack
        assert equality.compare(r"\frac{1}{2}", r"\frac{2}{4}", "strict").outcome == "equal"


def test_a_hanging_comparison_is_a_timeout_and_not_a_wrong_answer() -> None:
    sample = Sample("p", 0, 0, 1, [1], r"\boxed{\binom{10^9}{5 \cdot 10^8}}", "stop")
    with EqualityProcess(lambda: None, {"strict": 0.5, "seed": 0.5}) as equality:
        grade = grade_sample(sample, "12", "strict", equality.compare)
    assert (grade.verdict, grade.detail) == ("timeout", "box")


def test_a_comparing_process_that_is_killed_costs_one_answer() -> None:
    with EqualityProcess(lambda: None, {"strict": 20.0, "seed": 20.0}) as equality:
        equality.compare("x", "x", "strict")
        assert equality.pid is not None
        os.kill(equality.pid, 9)
        time.sleep(0.2)
        assert equality.compare("x", "x", "strict").outcome == "crash"
        assert equality.compare("x", "x", "strict").outcome == "equal"


def test_the_comparing_process_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hunter2")
    with EqualityProcess(lambda: None) as equality:
        equality.compare("x", "x", "strict")
        with open(f"/proc/{equality.pid}/environ", "rb") as environment:  # noqa: PTH123
            assert b"hunter2" not in environment.read()


def test_no_comparing_process_is_left_behind() -> None:
    with EqualityProcess(lambda: None) as equality:
        equality.compare("x", "x", "strict")
        pid = equality.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("attack", [a for a in ATTACKS if "binom" not in a and "x+y" not in a and a != "2^{10^9}"])
def test_what_can_only_exhaust_a_parser_is_refused_before_it(attack: str) -> None:
    assert exceeded_limit(attack) is not None


@pytest.mark.parametrize("answer", [r"2^{25} \cdot 26!", r"\frac{1}{2004!}", "2^{2024}", "e^{x^2}", "((((1))))"])
def test_ordinary_answers_are_within_the_limits(answer: str) -> None:
    assert exceeded_limit(answer) is None


def test_a_refused_answer_names_the_limit() -> None:
    def never(right: str, given: str, preset: str) -> None:
        raise AssertionError("compared")

    grade = grade_sample(Sample("p", 0, 0, 1, [1], r"\boxed{100000000!}", "stop"), "12", "strict", never)  # type: ignore[arg-type]
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
    with EqualityProcess(lambda: None) as equality:
        grade = grade_sample(Sample("p", 0, 0, 1, [1], text, finish), "12", "strict", equality.compare)  # type: ignore[arg-type]
        assert equality.pid is None, "numbers are compared without the process"
    assert grade.verdict == verdict


def test_counts_add_up() -> None:
    verdicts = [*get_args(Verdict), "wrong"]
    counts = count(Grade("p", n, verdict, "", None, 1, "stop") for n, verdict in enumerate(verdicts))
    assert (counts.samples, counts.wrong) == (9, 2)
    found = counts.model_dump()
    assert found.pop("samples") == sum(found.values())
    assert set(found) == set(get_args(Verdict))
    assert GRADER_VERSION
