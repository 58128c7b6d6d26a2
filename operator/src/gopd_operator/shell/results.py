"""What was measured, side by side: scores with 95 % intervals, differences from the baseline, groups of repeats.

It draws what the evaluation has computed and computes nothing itself.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from gopd_api.reports import Comparison, Difference, GroupScore, Score
from gopd_operator.core.progress import number

SIDES = {"higher": "higher is better", "lower": "lower is better", "neither": ""}


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Tables of the scores, of the paired differences, and of groups where there are any."""
    show_scores(console, comparison.scores)
    show_differences(
        console, comparison.differences, f"Difference from {comparison.baseline}, same problems, 95 % intervals"
    )
    if comparison.groups:
        _show_groups(console, comparison.groups)
        show_differences(console, comparison.group_differences, "Differences of groups, 95 % intervals")


def show_scores(console: Console, scores: Sequence[Score]) -> None:
    """One table a task: a row for each subject, a column for each metric that has a better side."""
    for task in dict.fromkeys(score.task for score in scores):
        chosen = [score for score in scores if score.task == task and score.better != "neither"]
        if not chosen:
            continue
        metrics = list(dict.fromkeys((score.metric, score.better) for score in chosen))
        problems = max(score.problems for score in chosen)
        table = _table(
            f"{task} ({problems} problems)", ["subject", *(f"{name}, {SIDES[side]}" for name, side in metrics)]
        )
        cells = {(score.subject, score.metric): _interval(score.value, score.ci_low, score.ci_high) for score in chosen}
        for subject in dict.fromkeys(score.subject for score in chosen):
            table.add_row(subject, *(cells.get((subject, name), "") for name, _ in metrics))
        console.print(table)


def show_differences(console: Console, differences: Sequence[Difference], title: str) -> None:
    """One row for each subject, task and metric that has a better side."""
    chosen = [one for one in differences if one.better != "neither"]
    if not chosen:
        return
    table = _table(title, ["subject − baseline", "task", "metric", "difference", "p", "verdict"])
    for one in chosen:
        p = "" if one.p_value is None else f"{one.p_value:.3g}"
        verdict = one.verdict
        if verdict == "no difference shown" and one.detectable is not None:
            verdict_words = f"{verdict} (would show {number(one.detectable)})"
        else:
            verdict_words = verdict
        difference = _interval(one.difference, one.ci_low, one.ci_high, signed=True)
        table.add_row(f"{one.subject} − {one.baseline}", one.task, one.metric, difference, p, verdict_words)
    console.print(table)


def _show_groups(console: Console, groups: Sequence[GroupScore]) -> None:
    table = _table("Means over repeats, 95 % t intervals", ["group", "task", "metric", "mean", "repeats"])
    for one in groups:
        if one.better != "neither":
            table.add_row(
                one.group, one.task, one.metric, _interval(one.value, one.ci_low, one.ci_high), str(one.repeats)
            )
    console.print(table)


def _interval(value: float, low: float | None, high: float | None, signed: bool = False) -> str:
    sign = "+" if signed and value > 0 else ""
    if low is None or high is None:
        return f"{sign}{number(value)}"
    return f"{sign}{number(value)} [{number(low)}, {number(high)}]"


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="")
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=index == 0)
    return table
