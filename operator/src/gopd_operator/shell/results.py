"""What was measured, side by side: scores with 95 % intervals, differences from the baseline, groups of repeats.

It draws what the evaluation has computed and computes nothing itself.
"""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from gopd_api.reports import Comparison, Difference, GroupScore, Score
from gopd_operator.core.progress import number

SIDES = {"higher": "higher is better", "lower": "lower is better", "neither": ""}


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Tables of the scores, of the paired differences, and of groups where there are any.

    Repeats are compared as a group: with twelve of them, twelve more differences would hide the ones that were asked
    for. The file of the comparison has them all.
    """
    show_scores(console, comparison.scores)
    repeats = {name for group in comparison.groups for name in group.subjects}
    single = [one for one in comparison.differences if one.subject not in repeats]
    show_differences(console, single, f"Difference from {comparison.baseline}, same problems, 95 % intervals")
    if comparison.groups:
        _show_groups(console, comparison.groups)
        show_differences(console, comparison.group_differences, "Differences of these means, 95 % intervals")


def show_scores(console: Console, scores: Sequence[Score]) -> None:
    """One table a task: a row for each subject, a column for each metric that has a better side."""
    for task in dict.fromkeys(score.task for score in scores):
        chosen = [one for one in scores if one.task == task and one.better != "neither" and one.headline]
        if not chosen:
            continue
        metrics = list(dict.fromkeys((score.metric, score.better) for score in chosen))
        problems = max(score.problems for score in chosen)
        title = f"{task} ({problems} problems)"
        table = _table(["subject", *(f"{name}, {SIDES[side]}" for name, side in metrics)])
        cells = {(score.subject, score.metric): _interval(score.value, score.ci_low, score.ci_high) for score in chosen}
        for subject in dict.fromkeys(score.subject for score in chosen):
            table.add_row(subject, *(cells.get((subject, name), "") for name, _ in metrics))
        _print(console, title, table)


def show_differences(console: Console, differences: Sequence[Difference], title: str) -> None:
    """One row for each subject, task and metric that has a better side."""
    chosen = [one for one in differences if one.better != "neither"]
    if not chosen:
        return
    title, columns, cells = _measured(title, chosen)
    several = any(one.adjusted_p is not None for one in chosen)
    table = _table(["subject − baseline", *columns, "difference", "p", *["p (Holm)"] * several, "verdict"])
    for one in chosen:
        verdict: str = one.verdict
        if verdict == "no difference shown" and one.detectable is not None:
            verdict = f"{verdict} (would show {one.detectable:.2g})"
        difference = _interval(one.difference, one.ci_low, one.ci_high, signed=True)
        adjusted = [_p(one.adjusted_p)] * several
        table.add_row(f"{one.subject} − {one.baseline}", *cells(one), difference, _p(one.p_value), *adjusted, verdict)
    _print(console, title, table)


def _show_groups(console: Console, groups: Sequence[GroupScore]) -> None:
    chosen = [one for one in groups if one.better != "neither"]
    title, columns, cells = _measured("Means over training seeds, 95 % intervals over the seeds", chosen)
    table = _table(["group", *columns, "mean", "seeds"])
    for one in chosen:
        table.add_row(one.group, *cells(one), _interval(one.value, one.ci_low, one.ci_high), str(one.repeats))
    _print(console, title, table)


def _measured(
    title: str, rows: Sequence[Difference | GroupScore]
) -> tuple[str, list[str], Callable[[Difference | GroupScore], list[str]]]:
    """What was measured: in the title when it is one thing, else as columns."""
    kinds = {(row.task, row.metric) for row in rows}
    if len(kinds) == 1:
        return f"{title}: {', '.join(*kinds)}", [], lambda _: []
    return title, ["task", "metric"], lambda row: [row.task, row.metric]


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.2g}"


def _interval(value: float, low: float | None, high: float | None, signed: bool = False) -> str:
    sign = "+" if signed and value > 0 else ""
    if low is None or high is None:
        return f"{sign}{number(value)}"
    return f"{sign}{number(value)} [{number(low)}, {number(high)}]"


def _print(console: Console, title: str, table: Table) -> None:
    """The title is a line of its own: rich would fold it to the table's width."""
    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    console.print(table)


def _table(columns: Sequence[str]) -> Table:
    table = Table(header_style="")
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=index == 0)
    return table
