"""Subjects against a baseline, groups of repeats against each other, and what is refused."""

from typing import Any

import pytest

from gopd_api.requests import EvalRequest
from gopd_eval.core.comparison import compare_subjects
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import math_grader
from gopd_eval.core.measures import Measure, Origin, graded_measures, pass_sizes
from gopd_eval.core.samples import Grade
from gopd_eval.core.tables import comparison_tables, interval, markdown
from gopd_eval.shell.publish import metric_points

from .conftest import RequestMaker

DATA = "sha256:" + "0" * 64


def measure(
    subject: str, values: list[float], metric: str = "avg@1", better: Any = "higher", data: str = DATA
) -> Measure:
    return Measure(Origin(subject, "sums", data, DATA), metric, better, {f"p{n}": v for n, v in enumerate(values)}, "g")


def request_of(make_request: RequestMaker, *subjects: tuple[str, str | None, int | None], baseline: str) -> EvalRequest:
    return make_request(
        subjects=[{"name": n, "model": "/m", "group": g, "repeat": r} for n, g, r in subjects], baseline=baseline
    )


def test_a_better_subject_is_called_so_by_the_metrics_own_direction(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    low, high = [0.1, 0.2, 0.3, 0.2, 0.1, 0.2], [0.6, 0.7, 0.9, 0.7, 0.5, 0.8]
    for better, verdict in (("higher", "better"), ("lower", "worse"), ("neither", "different")):
        found = compare_subjects(request, [measure("old", low, "m", better), measure("new", high, "m", better)])
        assert [d.verdict for d in found.differences] == [verdict]
    same = compare_subjects(request, [measure("old", low), measure("new", low[::-1])])
    assert [d.verdict for d in same.differences] == ["no difference shown"]


def test_what_the_interval_shows_and_the_permutation_test_does_not_is_not_called_better(
    make_request: RequestMaker,
) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    verdicts = {}
    for solved in (5, 6):
        new = measure("new", [1.0] * solved + [0.0] * (30 - solved))
        (found,) = compare_subjects(request, [measure("old", [0.0] * 30), new]).differences
        assert found.ci_low is not None
        assert found.ci_low > 0
        verdicts[solved] = (found.p_value, found.verdict)
    assert verdicts == {5: (0.0625, "no difference shown"), 6: (0.03125, "better")}


def test_subjects_are_paired_by_problem_and_not_by_place(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    old = measure("old", [0.0, 0.5, 1.0])
    new = Measure(old.origin, "avg@1", "higher", dict(reversed(old.values.items())), "g")
    found = compare_subjects(
        request, [old, Measure(Origin("new", "sums", DATA, DATA), "avg@1", "higher", new.values, "g")]
    )
    assert (found.differences[0].ci_low, found.differences[0].ci_high) == (0, 0)


def test_different_problems_are_refused(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    with pytest.raises(EvaluationError, match=r"tasks\.sums\.data: new and old were measured on different problems"):
        compare_subjects(request, [measure("old", [0, 1]), measure("new", [0, 1], data="sha256:" + "1" * 64)])


SWEEP = [(f"s{scale}-{seed}", scale, seed) for scale in ("1.0", "1.25", "1.5") for seed in (1, 2, 3)]


def sweep_measures() -> list[Measure]:
    level = {"1.0": 0.3, "1.25": 0.5, "1.5": 0.1}
    noise = {1: -0.1, 2: 0.0, 3: 0.12}
    wobble = {("1.25", 2): 0.01}
    return [
        measure(name.replace(".", "-"), [level[scale] + noise[seed] + wobble.get((scale, seed), 0)] * 4)
        for name, scale, seed in SWEEP
    ]


def test_groups_are_compared_with_the_baseline_and_with_each_other_by_repeat(make_request: RequestMaker) -> None:
    subjects = [(name.replace(".", "-"), scale, seed) for name, scale, seed in SWEEP]
    alone = [("teacher", None, None), ("start", None, None)]
    request = request_of(make_request, *alone, *subjects, baseline="start")
    measures = [measure("start", [0.2] * 4), measure("teacher", [0.45] * 4), *sweep_measures()]
    found = compare_subjects(request, measures)
    assert [(g.group, g.repeats) for g in found.groups] == [("1.0", 3), ("1.25", 3), ("1.5", 3)]
    assert found.groups[1].subjects == ["s1-25-1", "s1-25-2", "s1-25-3"]
    assert found.groups[0].value == pytest.approx(0.3 + 0.02 / 3)
    pairs = {(d.subject, d.baseline): d for d in found.group_differences}
    assert list(pairs) == [
        ("1.0", "start"), ("1.25", "start"), ("1.5", "start"),
        ("1.0", "teacher"), ("1.25", "teacher"), ("1.5", "teacher"),
        ("1.25", "1.0"), ("1.5", "1.0"), ("1.5", "1.25"),
    ]  # fmt: skip
    assert pairs["1.25", "teacher"].difference == pytest.approx(0.05 + 0.03 / 3)
    between = pairs["1.25", "1.0"]
    assert between.difference == pytest.approx(0.2 + 0.01 / 3)
    assert between.verdict == "better"
    assert between.ci_high is not None
    assert between.ci_high < 0.23, "pairing by repeat removes what the seed does to both"
    assert pairs["1.0", "start"].verdict == "no difference shown"
    for pair in pairs.values():
        assert pair.p_value is None or (pair.p_value < 0.05) == (pair.verdict != "no difference shown")


def test_groups_with_other_repeats_are_compared_unpaired(make_request: RequestMaker) -> None:
    subjects = [(name.replace(".", "-"), scale, seed + 10 * (scale == "1.25")) for name, scale, seed in SWEEP[:6]]
    request = request_of(make_request, *subjects, baseline="s1-0-1")
    found = compare_subjects(request, sweep_measures()[:6])
    (between,) = found.group_differences
    assert (between.subject, between.baseline) == ("1.25", "1.0")
    assert between.ci_high is not None
    assert between.ci_high > 0.35


def test_a_baseline_that_comes_last_is_still_what_is_subtracted(make_request: RequestMaker) -> None:
    subjects = [(name.replace(".", "-"), scale, seed) for name, scale, seed in SWEEP[:6]]
    request = request_of(make_request, *subjects, baseline="s1-25-1")
    found = compare_subjects(request, sweep_measures()[:6])
    assert [(d.subject, d.baseline) for d in found.group_differences] == [("1.0", "1.25")]


@pytest.mark.parametrize(
    ("subjects", "message"),
    [
        ([("a", None, None), ("a", None, None)], "subjects: the name a is given twice"),
        ([("a", "g", 1), ("b", "g", 1)], r"subjects\[1\].repeat: group g has two subjects with repeat 1"),
    ],
)
def test_subjects_that_cannot_be_told_apart_are_refused(
    subjects: list[tuple[str, str | None, int | None]], message: str, make_request: RequestMaker
) -> None:
    with pytest.raises(EvaluationError, match=message):
        compare_subjects(request_of(make_request, *subjects, baseline="a"), [])


def test_one_problem_gives_a_difference_without_an_interval(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    found = compare_subjects(request, [measure("old", [0.0]), measure("new", [1.0])])
    assert (found.differences[0].difference, found.differences[0].ci_low) == (1.0, None)
    assert type(found).model_validate_json(found.to_json()) == found


def test_the_metrics_of_a_math_task_are_taken_by_problem() -> None:
    verdicts = {"p0": ["correct"] * 4, "p1": ["correct", "wrong", "crash", "truncated"], "p2": ["no_answer"] * 4}
    grades = [
        Grade(problem, sample, verdict, "", None, 10 + sample, "length" if verdict == "truncated" else "stop")  # type: ignore[arg-type]
        for problem, row in verdicts.items()
        for sample, verdict in enumerate(row)
    ]
    grader = math_grader("strict", "lib 1")
    classes: dict[str, list[int | None]] = {"p0": [0] * 4, "p1": [0, 1, 1, None], "p2": [None] * 4}
    measures = graded_measures(Origin("s", "sums", DATA, DATA), grades, 4, grader, classes)
    found = {m.metric: m.score() for m in measures}
    assert list(found) == [
        "avg@4", "pass@2", "pass@4", "maj@2", "maj@4", "response_tokens", "truncated", "no_answer",
    ]  # fmt: skip
    assert found["avg@4"].value == pytest.approx((1 + 0.25) / 3)
    assert found["avg@4"].rerun_error == pytest.approx((0.25 * 0.75 / 3 / 9) ** 0.5)
    assert found["pass@2"].value == pytest.approx((1 + 0.5) / 3)
    assert found["pass@4"].value == pytest.approx(2 / 3)
    assert found["maj@4"].value == pytest.approx(1 / 3), "two wrong answers of one mind outvote the right one"
    assert [m for m, score in found.items() if not score.headline] == ["pass@2", "maj@2"]
    assert found["response_tokens"].value == 11.5
    assert found["response_tokens"].quantiles[2] == 11.5
    assert found["truncated"].value == pytest.approx(1 / 12)
    assert found["no_answer"].value == pytest.approx(4 / 12)
    assert found["avg@4"].problems == 3
    assert "maj@4" not in {m.metric for m in graded_measures(Origin("s", "code", DATA, DATA), grades, 4, "code")}


def tasks_of(subject: str, right: dict[str, list[float]]) -> list[Measure]:
    return [
        Measure(
            Origin(subject, task, DATA, DATA), f"avg@{len(task)}", "higher",
            {f"p{n}": v for n, v in enumerate(values)}, "g", (0, 1),
        )
        for task, values in right.items()
    ]  # fmt: skip


def test_subjects_measured_on_several_tasks_have_means_and_their_differences(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    old = tasks_of("old", {"aime": [0.0, 0.5, 0.25], "code": [0.5, 0.5]})
    new = tasks_of("new", {"aime": [0.5, 0.5, 0.5], "code": [0.75, 0.75]})
    found = compare_subjects(request, [*old, *new])
    assert [(m.subject, m.tasks, m.metric) for m in found.means] == [
        ("old", ["aime", "code"], "avg"), ("new", ["aime", "code"], "avg"),
    ]  # fmt: skip
    (mean,) = found.mean_differences
    assert mean.difference == pytest.approx((0.25 + 0.25) / 2)
    assert mean.difference == pytest.approx(found.means[1].value - found.means[0].value)
    assert (mean.pairs, mean.adjusted_p) == (5, None)
    assert compare_subjects(request, [old[0], new[0]]).means == []


def test_more_than_two_subjects_have_an_adjusted_p_beside_the_raw_one(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("a", None, None), ("b", None, None), ("c", None, None), baseline="a")
    rows = {"a": [0.1] * 6, "b": [0.2, 0.3, 0.2, 0.4, 0.3, 0.2], "c": [0.2, 0.0, 0.1, 0.2, 0.0, 0.3]}
    found = compare_subjects(request, [measure(name, values) for name, values in rows.items()])
    (b, c) = found.differences
    assert b.p_value is not None
    assert (b.adjusted_p, c.adjusted_p) == (2 * b.p_value, c.p_value)
    assert "| p | p (Holm) |" in markdown(comparison_tables(found))


def test_the_sizes_of_pass_at_k() -> None:
    assert [pass_sizes(n) for n in (1, 2, 3, 8, 10)] == [[], [2], [2, 3], [2, 4, 8], [2, 4, 8, 10]]


def test_tables_show_values_with_intervals(make_request: RequestMaker) -> None:
    request = request_of(make_request, ("old", None, None), ("new", None, None), baseline="old")
    text = markdown(comparison_tables(compare_subjects(request, [measure("old", [0.0, 0.5]), measure("new", [1, 1])])))
    assert "| old | 0.250 [-2.927, 3.427] |" in text
    assert "| new | old | sums | avg@1 | 0.750 [" in text
    assert interval(0.41234, 0.31, None) == "0.412"
    assert interval(0.0000123, 0.0, 123.4) == "1.2e-05 [0.000, 123.4]"


def test_a_students_scores_are_its_curve_and_the_others_carry_their_names(make_request: RequestMaker) -> None:
    request = make_request()
    scores = [measure("student", [0.0, 1.0]).score(), measure("teacher", [1.0, 1.0]).score()]
    points = metric_points(request, scores)
    assert list(points) == [0]
    assert {"eval/sums/avg_at_1", "eval/sums/avg_at_1_ci_low", "eval/sums/avg_at_1/teacher"} <= set(points[0])
