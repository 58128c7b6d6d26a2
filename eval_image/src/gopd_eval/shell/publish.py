"""The comparison's way to MLflow: metrics of every subject, and the files that explain them.

It decides names: a student's scores are points of its curve at its training step, everyone else's carry the subject's
name. Where the job has a training, its run is added to and the training's spool is sent: what MLflow did not get while
it was away comes with the comparison. Tracking that is down never fails a comparison: it is said.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from gopd_api.reports import Comparison, MeanScore, Score
from gopd_api.requests import EvalRequest, EvalSubject
from gopd_eval.core.showing import ShownProblem, sample_columns
from gopd_eval.core.tables import comparison_tables, difference_columns, markdown, score_columns

CLOSE_SECONDS = 15.0
MEAN_OF_TASKS = "mean-of-tasks"


def metric_points(request: EvalRequest, scores: Sequence[Score | MeanScore]) -> dict[int, dict[str, float]]:
    """Step to metric names and values. Students that share a step (several jobs compared) carry their names, too."""
    subjects = {subject.name: subject for subject in request.subjects}
    students = Counter(subject.step for subject in request.subjects if subject.role == "student")
    points: dict[int, dict[str, float]] = {}
    for score in scores:
        subject = subjects[score.subject]
        named = _needs_name(subject, students)
        step = subject.step or 0
        task = score.task if isinstance(score, Score) else MEAN_OF_TASKS
        name = f"eval/{task}/{score.metric.replace('@', '_at_')}"
        values = {"": score.value, "_ci_low": score.ci_low, "_ci_high": score.ci_high}
        for suffix, value in values.items():
            if value is not None:
                points.setdefault(step, {})[f"{name}{suffix}" + (f"/{subject.name}" if named else "")] = value
    return points


def _needs_name(subject: EvalSubject, students: Counter[int | None]) -> bool:
    return subject.role != "student" or subject.step is None or students[subject.step] > 1


def publish(request: EvalRequest, comparison: Comparison, page: str, problems: Sequence[ShownProblem]) -> None:
    """Send metrics, tables, request, report, comparison and its page to the job's run; warn when that fails."""
    if request.tracking.uri is None:
        return
    from gopd_tracking import Tracker

    place = Path(request.paths.comparison)
    trained = request.paths.spool
    begin = Tracker.begin if trained else Tracker.attach
    tracker = begin(request.tracking, request.job.uid, Path(trained) if trained else place.parent / "tracking-spool")
    for step, values in sorted(metric_points(request, [*comparison.scores, *comparison.means]).items()):
        tracker.metrics(step, values)
    folder = f"evaluations/{place.parent.name}"
    tracker.artifact(f"{folder}/request.json", request.to_json())
    tracker.artifact(f"{folder}/comparison.json", comparison.to_json())
    tracker.artifact(f"{folder}/comparison.md", markdown(comparison_tables(comparison)))
    tracker.artifact(f"{folder}/comparison.html", page)
    tracker.table(f"{folder}/scores.json", score_columns(comparison.scores))
    tracker.table(f"{folder}/differences.json", difference_columns(comparison.differences))
    tracker.table(f"{folder}/samples.json", sample_columns(problems))
    report = Path(request.paths.report)
    if report.is_file():
        tracker.artifact(f"{folder}/report.json", report.read_text())
    if tracker.close(None if trained else "FINISHED", CLOSE_SECONDS) or not tracker.healthy:
        click.echo(f"warning: tracking.uri: not everything was recorded ({tracker.healthy_reason})", err=True)
