"""Jobs as they lie in a work directory: which folder a name means, which students it has exported, how they scored.

Reads what the images wrote. Which checkpoint a subject means is decided in `core.comparing`.
"""

import re
from pathlib import Path

from gopd_api.objects import EvalJob
from gopd_api.reports import EvalReport, Progress, TrainReport
from gopd_api.requests import EvalRequest
from gopd_operator.core.comparing import FoundCheckpoint, main_score
from gopd_operator.shell.errors import GopdError
from gopd_operator.shell.files import read_as

JOB_FOLDER = re.compile(r"(?P<name>[a-z][-a-z0-9]*)-[0-9a-f]{8}")


def folders_of(root: Path, name: str, namespace: str | None = None) -> list[Path]:
    """The folders of jobs of that name, the one that was written last first."""
    found = []
    for folder in root.glob(f"jobs/{namespace or '*'}/{name}-*"):
        match = JOB_FOLDER.fullmatch(folder.name)
        if match and match["name"] == name and folder.is_dir():
            found.append(folder)
    return sorted(found, key=_written, reverse=True)


def _written(folder: Path) -> float:
    files = (folder / "report.json", folder / "progress.json", *folder.glob("evaluations/*/*.json"))
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def names_below(root: Path) -> list[str]:
    """The names of all jobs in a work directory."""
    matches = (JOB_FOLDER.fullmatch(folder.name) for folder in root.glob("jobs/*/*"))
    return sorted({match["name"] for match in matches if match})


def folder_of(root: Path, name: str, namespace: str | None = None) -> Path:
    """The folder of the job of that name that was written last; raises GopdError, listing the names there are."""
    if found := folders_of(root, name, namespace):
        return found[0]
    known = ", ".join(names_below(root)) or "none yet"
    raise GopdError(f"there is no job {name} in {root}; there are: {known}")


def checkpoints_of(folder: Path) -> list[FoundCheckpoint]:
    """The students that a job has exported and that are still there, with their main scores where measured."""
    report, progress = read_as(TrainReport, folder / "report.json"), read_as(Progress, folder / "progress.json")
    saved = {one.step: one for source in (progress, report) if source for one in source.checkpoints}
    scores = _scores(folder)
    exports = {step: Path(one.export) for step, one in saved.items() if one.export}
    return [
        FoundCheckpoint(step, str(export), scores.get(str(export)))
        for step, export in sorted(exports.items())
        if (export / "config.json").is_file()
    ]


def _scores(folder: Path) -> dict[str, float]:
    """Main scores by the model that they were measured on."""
    found = {}
    for request, report in evaluations_of(folder):
        for subject in request.subjects:
            if (score := main_score(report, subject.name)) is not None:
                found[subject.model] = score
    return found


def evaluations_of(folder: Path) -> list[tuple[EvalRequest, EvalReport]]:
    """The evaluations of a job that have succeeded, with their requests, in the order in which they were written."""
    found = []
    for report_file in sorted(folder.glob("evaluations/*/report.json"), key=lambda file: file.stat().st_mtime):
        request = read_as(EvalRequest, report_file.with_name("request.json"))
        report = read_as(EvalReport, report_file)
        if request and report and report.request_digest == request.digest() and report.outcome == "succeeded":
            found.append((request, report))
    return found


def checkpoints_for(job: EvalJob, root: Path) -> tuple[dict[str, list[FoundCheckpoint]], list[str]]:
    """The exported students of every job that an EvalJob names, and notes on names that several folders have."""
    found, notes = {}, []
    for subject in job.spec.subjects:
        if subject.distillation_job is None or subject.distillation_job.name in found:
            continue
        name = subject.distillation_job.name
        folders = folders_of(root, name, job.metadata.namespace)
        if len(folders) > 1:
            notes.append(
                f"{name}: {len(folders)} specs of this name have run; the last one written is used, {folders[0]}"
            )
        found[name] = checkpoints_of(folders[0]) if folders else []
    return found, notes
