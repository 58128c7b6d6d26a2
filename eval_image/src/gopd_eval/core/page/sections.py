"""Sections of the page: scores, differences, what became of answers, lengths; each a plot with its table behind it."""

from collections.abc import Iterable, Sequence

from gopd_api.reports import Comparison, Contrast, Score
from gopd_eval.core.page.markup import Markup, element
from gopd_eval.core.page.numbers import (
    behind,
    contrast_table,
    figure,
    group_table,
    mean_table,
    score_table,
    table,
    words,
)
from gopd_eval.core.page.plots import Bar, Box, Curve, Row, bars, boxes, curves, intervals
from gopd_eval.core.remarks import main_differences, main_metrics
from gopd_eval.core.tables import interval

NUMBERS = "Numbers"
METRICS = {
    "avg": "share right, mean over problems", "kl": "KL to the teacher, nats a token, lower is nearer",
    "pass": "chance that one of k answers is right", "maj": "chance that the majority of k answers is right",
}  # fmt: skip
VERDICTS = ("correct", "wrong", "no_answer", "truncated", "timeout", "memory", "crash", "refused")
TONES = {"better": "good", "worse": "bad", "different": "plain", "no difference shown": "quiet"}


def score_sections(comparison: Comparison) -> Iterable[Markup]:
    """A plot of every task's main metric, and of the means over tasks."""
    if comparison.means:
        rows = [
            Row(
                one.subject, one.value, one.ci_low, one.ci_high, interval(one.value, one.ci_low, one.ci_high),
                _tone(one.subject, comparison), one.rerun_error,
            )
            for one in comparison.means
        ]  # fmt: skip
        tasks = comparison.means[0].tasks
        yield element("h3", f"All {len(tasks)} tasks together, each counting once")
        yield intervals(f"Mean share right over {', '.join(tasks)}", rows, share=True)
        yield behind(NUMBERS, mean_table("Means over tasks", comparison.means))
    for task, metric in main_metrics(comparison.scores).items():
        main = [one for one in comparison.scores if (one.task, one.metric) == (task, metric)]
        rows = [
            Row(
                one.subject, one.value, one.ci_low, one.ci_high, interval(one.value, one.ci_low, one.ci_high),
                _tone(one.subject, comparison), one.rerun_error,
            )
            for one in main
        ]  # fmt: skip
        meaning = METRICS.get(metric.partition("@")[0], "")
        yield element(
            "h3", f"{task} · {metric}", element("span", f" {meaning}, {main[0].problems} problems", class_="soft")
        )
        yield intervals(f"{metric} on {task} with 95 % intervals", rows, share=metric.startswith("avg@"))
        everything = [one for one in comparison.scores if one.task == task and one.better != "neither"]
        yield behind(NUMBERS, score_table(f"{task}: every metric", everything))


def _tone(subject: str, comparison: Comparison) -> str:
    return "base" if subject == comparison.baseline else "plain"


def difference_sections(comparison: Comparison) -> Iterable[Markup]:
    """Differences from the baseline: means over tasks, then task by task; repeats of groups are compared as groups."""
    if comparison.mean_differences:
        yield element("h3", "All tasks together")
        yield intervals(
            "Mean differences over tasks", _contrast_rows(comparison.mean_differences, comparison.baseline), zero=True
        )
        yield behind(NUMBERS, contrast_table("Means over tasks", comparison.mean_differences, "meanDifferences"))
    main = main_differences(comparison)
    for task in dict.fromkeys(one.task for one in main):
        chosen = [one for one in main if one.task == task]
        yield element("h3", f"{task} · {chosen[0].metric}", element("span", _better(chosen[0]), class_="soft"))
        yield intervals(
            f"Differences from {comparison.baseline} on {task}", _contrast_rows(chosen, comparison.baseline), zero=True
        )
        everything = [one for one in comparison.differences if one.task == task]
        yield behind(NUMBERS, contrast_table(f"{task}: every metric", everything, "differences"))


def group_sections(comparison: Comparison) -> Iterable[Markup]:
    """Groups of repeats and their differences."""
    sides = {"higher": "higher is better", "lower": "lower is better"}
    main = main_metrics(comparison.scores)
    for task, metric in main.items():
        groups = [one for one in comparison.groups if (one.task, one.metric) == (task, metric)]
        contrasts = [one for one in comparison.group_differences if (one.task, one.metric) == (task, metric)]
        if not groups:
            continue
        yield element("h3", f"{task} · {metric}", element("span", f" {sides.get(groups[0].better, '')}", class_="soft"))
        rows = [
            Row(one.group, one.value, one.ci_low, one.ci_high, interval(one.value, one.ci_low, one.ci_high))
            for one in groups
        ]
        yield intervals(f"Means over repeats on {task}", rows)
        if contrasts:
            yield intervals(f"Differences of groups on {task}", _contrast_rows(contrasts), zero=True)
    yield behind(
        NUMBERS,
        group_table("Means over repeats", comparison.groups),
        contrast_table("Differences of groups", comparison.group_differences, "groupDifferences", "repeats"),
    )


def _contrast_rows(contrasts: Sequence[Contrast], known: str = "") -> list[Row]:
    """Rows of differences; the baseline that the heading has named is not said again."""
    return [
        Row(
            one.subject if one.baseline == known else f"{one.subject} − {one.baseline}",
            one.difference, one.ci_low, one.ci_high,
            f"{interval(one.difference, one.ci_low, one.ci_high, signed=True)} {one.verdict}",
            TONES[one.verdict], reach=one.detectable,
        )
        for one in contrasts
    ]  # fmt: skip


def _better(one: Contrast) -> str:
    return {"higher": " right of 0 is better", "lower": " left of 0 is better", "neither": ""}[one.better]


def outcome_sections(comparison: Comparison) -> Iterable[Markup]:
    """What became of the answers, and rates of cut and silent ones."""
    for task in dict.fromkeys(one.task for one in comparison.scores):
        counted = [one for one in comparison.scores if one.task == task and one.counts and one.headline]
        if not counted:
            continue
        used = [name for name in VERDICTS if any(getattr(one.counts, name) for one in counted)]
        keys = [element("span", element("span", class_=f"key v-{name}"), _plain(name)) for name in used]
        yield element("h3", task)
        yield bars(f"Verdicts on {task}", [_bar(one, used) for one in counted])
        yield element("div", *keys, class_="legend", aria_hidden="true")
        rates = [one for one in comparison.scores if one.task == task and one.metric in ("truncated", "no_answer")]
        yield behind(NUMBERS, _count_table(task, counted), score_table(f"{task}: rates of answers", rates))


def _bar(score: Score, used: Sequence[str]) -> Bar:
    counts = score.counts
    whole = max(counts.samples, 1) if counts else 1
    parts = [(_plain(name), getattr(counts, name, 0) / whole, f"v-{name}") for name in used]
    return Bar(score.subject, parts, f"{whole} answers")


def _count_table(task: str, scores: Sequence[Score]) -> Markup:
    rows = []
    for one in scores:
        if one.counts is not None:
            found = [figure(getattr(one.counts, name), name, str(getattr(one.counts, name))) for name in VERDICTS]
            marks = {"data_of": "counts", "data_subject": one.subject, "data_task": task}
            rows.append(element("tr", words(one.subject, head=True), *found, **marks))
    return table(f"{task}: verdicts", ["subject", *map(_plain, VERDICTS)], rows)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def length_sections(comparison: Comparison) -> Iterable[Markup]:
    """Lengths of responses, and the share that was cut."""
    limits = (
        {task.name: task.drawing.get("maxResponseTokens") for task in comparison.setting.tasks}
        if comparison.setting
        else {}
    )
    for task in dict.fromkeys(one.task for one in comparison.scores):
        lengths = [one for one in comparison.scores if (one.task, one.metric) == (task, "response_tokens")]
        drawn = [one for one in lengths if len(one.quantiles) == 5]
        cut = {one.subject: one for one in comparison.scores if (one.task, one.metric) == (task, "truncated")}
        if not drawn:
            continue
        limit = limits.get(task)
        rows = [
            Box(one.subject, one.quantiles, one.value, f"mean {one.value:,.0f} · {_cut_share(cut.get(one.subject))}")
            for one in drawn
        ]
        limited = f", at most {limit:,}" if isinstance(limit, int) else ""
        yield element("h3", task, element("span", f" tokens of a response{limited}", class_="soft"))
        yield boxes(f"Lengths of responses on {task}", rows, float(limit) if isinstance(limit, int) else None)
        yield behind(NUMBERS, score_table(f"{task}: lengths and cut answers", [*lengths, *cut.values()]))


def _cut_share(score: Score | None) -> str:
    return "" if score is None else f"{100 * score.value:.1f} % cut"


def curve_sections(comparison: Comparison) -> Iterable[Markup]:
    """pass@k and maj@k over k, where several answers were drawn."""
    for task in dict.fromkeys(one.task for one in comparison.scores):
        lines = []
        for place, subject in enumerate(dict.fromkeys(one.subject for one in comparison.scores)):
            for kind in ("pass", "maj"):
                points = curve_points(comparison.scores, task, subject, kind)
                if len(points) > 2:
                    lines.append(Curve(f"{subject} {kind}", points, f"c{place % 8}", dashed=kind == "maj"))
        if lines:
            yield element("h3", task)
            yield curves(f"pass@k and maj@k on {task}", lines)


def curve_points(scores: Sequence[Score], task: str, subject: str, kind: str) -> list[tuple[int, float]]:
    """(k, value) of a metric over k; avg@k is its value for one answer."""
    points = []
    for one in scores:
        name, _, k = one.metric.partition("@")
        if (one.task, one.subject) == (task, subject) and name in (kind, "avg"):
            points.append((1 if name == "avg" else int(k), one.value))
    return sorted(points)
