"""Tables of the page: every number of the report as it is, and rounded to be read.

Each cell carries the whole number as `data-value`, each row what it is of, so that the page can be checked against its
report by a program.
"""

from collections.abc import Sequence

from gopd_api.reports import Contrast, Difference, GroupScore, MeanDifference, MeanScore, Score
from gopd_eval.core.page.markup import Markup, element, joined
from gopd_eval.core.tables import number, p_value, task_of


def table(caption: str, columns: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A table with a caption; wide ones scroll inside their own frame."""
    head = element("thead", element("tr", *(element("th", column, scope="col") for column in columns)))
    whole = element("table", element("caption", caption), head, element("tbody", *rows))
    return element("div", whole, class_="wide")


def behind(words: str, *inside: str) -> Markup:
    """What opens on demand: the numbers behind a plot, a response."""
    return element("details", element("summary", words), *inside)


def figure(value: float | None, field: str, words: str | None = None) -> Markup:
    """A cell with a number, or an empty one."""
    if value is None:
        return element("td", data_field=field)
    return element("td", number(value) if words is None else words, data_field=field, data_value=repr(value))


def words(text: str, head: bool = False) -> Markup:
    """A cell with text."""
    return element("th", text, scope="row") if head else element("td", text, class_="words")


def score_table(caption: str, scores: Sequence[Score]) -> Markup:
    """Scores of one task, with both errors."""
    columns = ["subject", "metric", "score", "95 % from", "to", "SE", "rerun error", "problems", "answers each"]
    rows = [
        element(
            "tr", words(one.subject, head=True), words(one.metric), figure(one.value, "value"), *_ends(one),
            figure(one.standard_error, "standardError"), figure(one.rerun_error, "rerunError"),
            element("td", str(one.problems)), element("td", str(one.samples)),
            data_of="scores", data_subject=one.subject, data_task=one.task, data_metric=one.metric,
        )
        for one in scores
    ]  # fmt: skip
    return table(caption, columns, rows)


def mean_table(caption: str, means: Sequence[MeanScore]) -> Markup:
    """Means over tasks."""
    columns = ["subject", "tasks", "mean", "95 % from", "to", "SE", "rerun error"]
    rows = [
        element(
            "tr", words(one.subject, head=True), words(", ".join(one.tasks)), figure(one.value, "value"), *_ends(one),
            figure(one.standard_error, "standardError"), figure(one.rerun_error, "rerunError"),
            data_of="means", data_subject=one.subject, data_metric=one.metric,
        )
        for one in means
    ]  # fmt: skip
    return table(caption, columns, rows)


def group_table(caption: str, groups: Sequence[GroupScore]) -> Markup:
    """Means over repeats."""
    columns = ["group", "task", "metric", "mean", "95 % from", "to", "repeats"]
    rows = [
        element(
            "tr", words(one.group, head=True), words(one.task), words(one.metric), figure(one.value, "value"),
            *_ends(one), element("td", str(one.repeats)),
            data_of="groups", data_subject=one.group, data_task=one.task, data_metric=one.metric,
        )
        for one in groups
    ]  # fmt: skip
    return table(caption, columns, rows)


def contrast_table(caption: str, contrasts: Sequence[Contrast], of: str, unit: str = "problems") -> Markup:
    """Differences with their tests; the adjusted p has a column where there is one."""
    several = any(one.adjusted_p is not None for one in contrasts)
    holm = ["p (Holm)"] if several else []
    columns = [
        "",
        "minus",
        "task",
        "metric",
        "difference",
        "95 % from",
        "to",
        "p",
        *holm,
        "detectable",
        unit,
        "verdict",
    ]
    rows = []
    for one in contrasts:
        task = task_of(one) if isinstance(one, Difference | MeanDifference) else ""
        adjusted = [_p(one.adjusted_p, "adjustedP")] if several else []
        rows.append(
            element(
                "tr", words(one.subject, head=True), words(one.baseline), words(task), words(one.metric),
                figure(one.difference, "difference"), *_ends(one), _p(one.p_value, "pValue"), *adjusted,
                figure(one.detectable, "detectable"), element("td", str(one.pairs)), words(one.verdict),
                data_of=of, data_subject=one.subject, data_baseline=one.baseline, data_task=task,
                data_metric=one.metric,
            )
        )  # fmt: skip
    return table(caption, columns, rows)


def _p(value: float | None, field: str) -> Markup:
    return figure(value, field, None if value is None else p_value(value))


def _ends(one: Score | MeanScore | GroupScore | Contrast) -> tuple[Markup, Markup]:
    return figure(one.ci_low, "ciLow"), figure(one.ci_high, "ciHigh")


def section(anchor: str, title: str, *parts: str) -> Markup:
    """A section with a heading that can be linked to."""
    return element("section", element("h2", title, id=anchor), joined(*parts), aria_labelledby=anchor)


def paragraph(*parts: str) -> Markup:
    """A paragraph."""
    return element("p", *parts)
