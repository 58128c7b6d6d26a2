"""`gopd compare`: several jobs or result files side by side, and paired where they answered the same problems.

A paired comparison is made by the evaluation's own `compare` from the shared store, so no answer is drawn anew. Runs
that were measured on other tasks, or with another sampling, are shown side by side and not subtracted.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gopd_api.reports import Comparison, EvalReport, Score
from gopd_api.requests import EvalPaths, EvalRequest, EvalSubject, JobIdentity, TrackingRequest
from gopd_operator.core.identity import fitting_name
from gopd_operator.shell.attempt import Programs
from gopd_operator.shell.errors import GopdError
from gopd_operator.shell.files import last_lines, read_as, write_whole
from gopd_operator.shell.jobs_on_disk import evaluations_of, folder_of


@dataclass(frozen=True)
class Run:
    """What one RUN of the command line holds."""

    label: str
    scores: tuple[Score, ...]
    requests: tuple[EvalRequest, ...]
    """The requests that the scores answer: empty for a result file without its request beside it."""
    comparison: Comparison | None = None
    """The run's own comparison, where it has been made."""
    page: Path | None = None
    """The page of that comparison."""


@dataclass(frozen=True)
class Compared:
    """A comparison, or scores that can only be shown side by side, with the reason."""

    comparison: Comparison | None
    scores: tuple[Score, ...]
    reason: str = ""
    page: Path | None = None
    """The comparison for people, where it was written."""


def read_run(text: str, root: Path) -> Run:
    """A job folder, a result file, or the name of a job in the work directory. Raises GopdError."""
    path = Path(text)
    if path.is_file():
        return _from_file(path)
    folder = path if path.is_dir() else folder_of(root, text)
    label = folder.name.rpartition("-")[0] or folder.name
    made = folder / "evaluations" / "compare" / "comparison.json"
    if made.is_file() and (run := _from_file(made)).requests:
        return Run(label, run.scores, run.requests, run.comparison, run.page)
    evaluations = evaluations_of(folder)
    if not evaluations:
        raise GopdError(f"{folder} holds no finished evaluation; run the job to its end first")
    scores = tuple(score for _, report in evaluations for score in report.scores)
    return Run(label, scores, tuple(request for request, _ in evaluations))


def _from_file(path: Path) -> Run:
    content = read_as(Comparison, path) or read_as(EvalReport, path)
    if content is None:
        raise GopdError(
            f"{path} is neither a comparison nor an evaluation report; name a comparison.json or a report.json"
        )
    request = read_as(EvalRequest, path.with_name("request.json"))
    fits = request is not None and request.digest() == content.request_digest
    own = content if isinstance(content, Comparison) else None
    page = path.with_suffix(".html") if own and path.with_suffix(".html").is_file() else None
    return Run(path.parent.name or path.stem, tuple(content.scores), (request,) if request and fits else (), own, page)


def compare_runs(runs: Sequence[Run], root: Path, programs: Programs) -> Compared:
    """The runs' subjects against the first one: paired where possible. Raises GopdError when `compare` itself fails."""
    if len(runs) == 1 and runs[0].comparison is not None:
        return Compared(runs[0].comparison, runs[0].scores, page=runs[0].page)
    side_by_side = _side_by_side(runs)
    requests = [request for run in runs for request in run.requests]
    if any(not run.requests for run in runs):
        return Compared(None, side_by_side, "a result file without its request beside it holds scores only")
    common = [task for task in requests[0].tasks if all(task in request.tasks for request in requests)]
    if not common:
        return Compared(None, side_by_side, "the runs have no task in common (same data, sampling, limit and teacher)")
    if any(request.sampling != requests[0].sampling for request in requests):
        return Compared(None, side_by_side, "the runs drew their answers with different sampling settings")
    subjects = merged_subjects(runs)
    request = requests[0].model_copy(
        update={
            "job": JobIdentity(namespace="default", name="compare", uid="compare"),
            "subjects": subjects,
            "baseline": subjects[0].name,
            "tasks": common,
            "tracking": TrackingRequest(uri=None, experiment="gopd", run_name="compare"),
        }
    )
    comparison, page = _run_compare(request, root, programs)
    return Compared(comparison, tuple(comparison.scores), page=page if page.is_file() else None)


def merged_subjects(runs: Sequence[Run]) -> list[EvalSubject]:
    """Every measured model once; with several runs, a student is named after its run."""
    found: dict[str, EvalSubject] = {}
    for run in runs:
        for request in run.requests:
            for subject in request.subjects:
                if subject.model in found:
                    continue
                trained = subject.role == "student" and subject.step
                name = f"{run.label}-{subject.name}" if trained and len(runs) > 1 else subject.name
                found[subject.model] = subject.model_copy(update={"name": _free(name, found)})
    # A repeat in a group would be counted beside the same repeat of another run's group of the same name.
    several = len(runs) > 1
    return [one.model_copy(update={"group": None, "repeat": None}) if several else one for one in found.values()]


def _free(name: str, found: dict[str, EvalSubject]) -> str:
    taken = {subject.name for subject in found.values()}
    candidate, count = fitting_name(name), 1
    while candidate in taken:
        count += 1
        candidate = fitting_name(f"{name}-{count}")
    return candidate


def _side_by_side(runs: Sequence[Run]) -> tuple[Score, ...]:
    several = len(runs) > 1
    return tuple(
        score.model_copy(update={"subject": fitting_name(f"{run.label}-{score.subject}")}) if several else score
        for run in runs
        for score in run.scores
    )


def _run_compare(request: EvalRequest, root: Path, programs: Programs) -> tuple[Comparison, Path]:
    folder = root / "comparisons" / request.digest().removeprefix("sha256:")[:12]
    paths = EvalPaths(
        store=request.paths.store,
        data=request.paths.data,
        report=str(folder / "report.json"),
        comparison=str(folder / "comparison.json"),
        progress=str(folder / "progress.json"),
    )
    request = request.model_copy(update={"paths": paths})
    write_whole(folder / "request.json", request.to_json())
    log, code = folder / "compare.log", 0
    click.echo(f"comparing {len(request.subjects)} subjects (log: {log})", err=True)
    with log.open("wb") as output:
        for part in ("generate", "compare"):
            command = [*programs.evaluate, part, "--request", str(folder / "request.json")]
            code = code or subprocess.run(command, check=False, stdout=output, stderr=output).returncode
    comparison = read_as(Comparison, folder / "comparison.json")
    if code == 0 and comparison is not None and comparison.request_digest == request.digest():
        return comparison, Path(paths.page)
    report = read_as(EvalReport, folder / "report.json")
    why = (
        report.message if report and report.outcome == "failed" else " ".join(last_lines(log, 1)) or f"exit code {code}"
    )
    raise GopdError(f"the comparison failed: {why} (log: {log})")
