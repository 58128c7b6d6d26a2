"""A comparison as rows of text: what a terminal and a Markdown file show.

It decides which numbers stand where and how many digits they have. How tables are drawn is the shell's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gopd_api.base import Model
from gopd_api.reports import Comparison, Difference, MeanDifference, MeanScore, Score

Columns = dict[str, list[str | float | None]]
"""Name of a column to its values."""


@dataclass(frozen=True)
class TextTable:
    """A titled table of texts."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def comparison_tables(comparison: Comparison) -> list[TextTable]:
    """Scores of every task, their means, differences from the baseline, groups; empty tables are left out."""
    tables = [_scores(task, comparison) for task in _unique(score.task for score in comparison.scores)]
    tables.append(_means(comparison.means))
    against = f"Differences from {comparison.baseline}, paired by problem"
    tables.append(_differences(against, [*comparison.differences, *comparison.mean_differences], "problems"))
    tables.append(_groups(comparison))
    tables.append(_differences("Differences between groups of repeats", comparison.group_differences, "repeats"))
    return [table for table in tables if table.rows]


def interval(value: float, low: float | None, high: float | None, signed: bool = False) -> str:
    """`0.412 [0.310, 0.520]`; the value alone when there is no interval, with its + when it is `signed`."""
    shown = ("+" if signed and value > 0 else "") + number(value)
    if low is None or high is None:
        return shown
    return f"{shown} [{number(low)}, {number(high)}]"


def p_value(value: float) -> str:
    """Two digits, and no more than can be known."""
    return "<0.001" if value < 0.001 else f"{value:.2g}"


def number(value: float) -> str:
    """Three decimals, fewer for large numbers, powers of ten for what three decimals would hide."""
    if value != 0 and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def markdown(tables: Iterable[TextTable]) -> str:
    """The tables in Markdown."""
    parts = []
    for table in tables:
        lines = [f"## {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
        parts.append("\n".join([*lines, *map(_line, table.rows)]))
    return "\n\n".join(parts) + "\n"


def score_columns(scores: Sequence[Score]) -> Columns:
    """Scores as columns of values, for a table that is not only read."""
    return _columns(Score, [score.model_dump(mode="json", exclude={"counts", "quantiles"}) for score in scores])


def difference_columns(differences: Sequence[Difference]) -> Columns:
    """Differences as columns of values."""
    return _columns(Difference, [difference.model_dump(mode="json") for difference in differences])


def _columns(kind: type[Model], rows: Sequence[dict[str, Any]]) -> Columns:
    names = [name for name in kind.model_fields if name not in ("counts", "quantiles")]
    return {name: [row[name] for row in rows] for name in names}


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _scores(task: str, comparison: Comparison) -> TextTable:
    scores = [score for score in comparison.scores if score.task == task and score.headline]
    metrics = _unique(score.metric for score in scores)
    found = {(score.subject, score.metric): score for score in scores}
    counted = any(score.counts for score in scores)
    rows = []
    for subject in _unique(score.subject for score in scores):
        cells = [_cell(found.get((subject, metric))) for metric in metrics]
        rows.append(
            [subject, *cells, *([_counts([found[subject, m] for m in metrics if (subject, m) in found])] * counted)]
        )
    columns = ["subject", *metrics, *(["verdicts"] * counted)]
    return TextTable(
        f"{task}: {scores[0].problems} problems, 95 % intervals clustered by problem, ± rerun error", columns, rows
    )


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    rerun = "" if score.rerun_error is None or score.better == "neither" else f" ±{number(score.rerun_error)}"
    return interval(score.value, score.ci_low, score.ci_high) + rerun


def _counts(scores: Iterable[Score]) -> str:
    counts = next((score.counts for score in scores if score.counts), None)
    if counts is None:
        return ""
    found = counts.model_dump(exclude={"samples"})
    return ", ".join(f"{number} {verdict.replace('_', ' ')}" for verdict, number in found.items() if number)


def _means(means: Iterable[MeanScore]) -> TextTable:
    rows = [
        [m.subject, ", ".join(m.tasks), m.metric, interval(m.value, m.ci_low, m.ci_high), _optional(m.rerun_error)]
        for m in means
    ]
    title = "Means over tasks, each task counting once, 95 % intervals"
    return TextTable(title, ["subject", "tasks", "metric", "mean", "rerun error"], rows)


def _differences(title: str, differences: Iterable[Difference | MeanDifference], unit: str) -> TextTable:
    rows = [
        [
            d.subject, d.baseline, task_of(d), d.metric, interval(d.difference, d.ci_low, d.ci_high),
            _p(d.p_value), _p(d.adjusted_p), _optional(d.detectable), str(d.pairs), d.verdict,
        ]
        for d in differences
    ]  # fmt: skip
    columns = ["", "minus", "task", "metric", "difference [95 %]", "p", "p (Holm)", "detectable", unit, "verdict"]
    return TextTable(title, columns, rows)


def task_of(difference: Difference | MeanDifference) -> str:
    """What a difference was measured on, in words."""
    return difference.task if isinstance(difference, Difference) else f"mean of {len(difference.tasks)} tasks"


def _p(value: float | None) -> str:
    return "" if value is None else p_value(value)


def _optional(value: float | None) -> str:
    return "" if value is None else number(value)


def _groups(comparison: Comparison) -> TextTable:
    rows = [
        [g.group, g.task, g.metric, interval(g.value, g.ci_low, g.ci_high), str(g.repeats)] for g in comparison.groups
    ]
    return TextTable(
        "Groups: means over repeats, 95 % t intervals", ["group", "task", "metric", "mean", "repeats"], rows
    )
