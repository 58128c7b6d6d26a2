"""How a comparison is printed: what was asked for first, nothing twice, and each line on a screen of 120 columns."""

import shutil
import sys
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from gopd_api.reports import Comparison
from gopd_operator.shell import main
from gopd_operator.shell.results import show_comparison

DIGEST = "sha256:" + "0" * 64
METRIC = {"task": "sort", "metric": "avg@1", "better": "higher"}
ORIGIN = {"problems": 2000, "data_digest": DIGEST, "generations_digest": DIGEST, "grader": "math/strict 1"}


def score(subject: str) -> dict[str, Any]:
    return METRIC | ORIGIN | {"subject": subject, "value": 0.85, "ci_low": 0.84, "ci_high": 0.86}


def difference(subject: str, baseline: str, **changes: Any) -> dict[str, Any]:
    numbers = {"difference": 0.02167, "ci_low": 0.009603, "ci_high": 0.03373, "p_value": 0.0164, "pairs": 3}
    return METRIC | {"subject": subject, "baseline": baseline, "verdict": "better"} | numbers | changes


def sweep(**changes: Any) -> Comparison:
    groups = {f"rewardScale {scale}": [f"s{n}-seed{seed}" for seed in (1, 2)] for n, scale in enumerate((1, 1.25))}
    repeats = [name for names in groups.values() for name in names]
    mean = {"value": 0.8528, "ci_low": 0.8311, "ci_high": 0.8746, "repeats": 2}
    unshown = {"verdict": "no difference shown", "ci_low": -0.002257, "detectable": 0.01341}
    return Comparison.model_validate(
        {
            "request_digest": DIGEST,
            "baseline": "before",
            "scores": [score(name) for name in ("before", "teacher", *repeats)],
            "differences": [difference(name, "before") for name in ("teacher", *repeats)],
            "groups": [METRIC | mean | {"group": name, "subjects": own} for name, own in groups.items()],
            "group_differences": [
                *[difference(name, one) for one in ("before", "teacher") for name in groups],
                difference("rewardScale 1.25", "rewardScale 1", **unshown),
            ],
        }
        | changes
    )


def printed(comparison: Comparison) -> list[str]:
    console = Console(file=StringIO(), width=120)
    show_comparison(console, comparison)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_repeats_are_compared_as_a_group_and_not_one_by_one() -> None:
    lines = printed(sweep())
    assert sum("s1-seed2" in line for line in lines) == 1, "its score, and no difference of its own"
    assert any("teacher − before" in line for line in lines)
    assert any("rewardScale 1.25 − teacher" in line for line in lines)


def test_what_is_measured_stands_in_the_title_when_it_is_one_thing() -> None:
    lines = printed(sweep())
    assert "Means over training seeds, 95 % intervals over the seeds: sort, avg@1" in lines
    assert not any("metric" in line for line in lines)
    (last,) = (line for line in lines if "rewardScale 1.25 − rewardScale 1 " in line)
    assert "+0.02167 [-0.002257, 0.03373]" in last and "no difference shown (would show 0.013)" in last


def test_two_tasks_have_columns_of_their_own() -> None:
    two = [difference("teacher", "before"), difference("teacher", "before", task="kl", metric="kl")]
    lines = printed(sweep(differences=two, groups=[], group_differences=[]))
    assert sum("teacher − before" in line and "avg@1" in line for line in lines) == 1
    assert any("metric" in line for line in lines)


def test_an_adjusted_p_stands_beside_the_raw_one_and_points_of_a_curve_are_left_out() -> None:
    assert not any("Holm" in line for line in printed(sweep()))
    several = [difference("teacher", "before", adjusted_p=0.0328), difference("after", "before", p_value=0.4)]
    curve = score("before") | {"metric": "pass@2", "headline": False}
    lines = printed(sweep(differences=several, scores=[score("before"), curve], groups=[], group_differences=[]))
    assert any("p (Holm)" in line for line in lines)
    assert any("0.016" in line and "0.033" in line for line in lines)
    assert not any("pass@2" in line for line in lines)


@pytest.mark.parametrize(
    ("called", "found", "typed"),
    [
        (".venv/bin/gopd", None, ".venv/bin/gopd"),
        (".venv/bin/gopd", "/usr/bin/gopd", "gopd"),
        ("/somewhere/main.py", None, "gopd"),
    ],
)
def test_the_next_command_is_one_that_the_shell_finds(
    called: str, found: str | None, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setattr(shutil, "which", lambda _: found)
    assert main.program() == typed
