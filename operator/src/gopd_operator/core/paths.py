"""Where a job keeps its files: a pure function of storage root, namespace, name and uid.

Promised to the images and to the reader of a work directory. It decides names only and looks nothing up.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from gopd_api.requests import EvalPaths, JobIdentity, TrainPaths

DATA_STORE = "datasets"
"""Folder below the storage root that `gopd data fetch` fills."""


@dataclass(frozen=True)
class EvaluationPaths:
    """The files of one evaluation or comparison of a job."""

    folder: PurePosixPath

    @property
    def request(self) -> PurePosixPath:
        """The EvalRequest."""
        return self.folder / "request.json"

    @property
    def report(self) -> PurePosixPath:
        """The EvalReport that `grade` writes."""
        return self.folder / "report.json"

    @property
    def progress(self) -> PurePosixPath:
        """The EvalProgress."""
        return self.folder / "progress.json"

    @property
    def comparison(self) -> PurePosixPath:
        """The Comparison that `compare` writes."""
        return self.folder / "comparison.json"


@dataclass(frozen=True)
class JobPaths:
    """The files of one job. `root` is the storage root, `folder` the job's own folder; both absolute."""

    root: PurePosixPath
    folder: PurePosixPath

    @property
    def store(self) -> PurePosixPath:
        """Generations and grades, shared by every evaluation below the root."""
        return self.root / "evaluations"

    @property
    def train_request(self) -> PurePosixPath:
        """The TrainRequest of the newest attempt."""
        return self.folder / "train-request.json"

    @property
    def report(self) -> PurePosixPath:
        """The TrainReport."""
        return self.folder / "report.json"

    @property
    def scratch(self) -> PurePosixPath:
        """Logs, converted data, spooled metrics: nothing that a result rests on."""
        return self.folder / "scratch"

    @property
    def lock(self) -> PurePosixPath:
        """Held by the `gopd run` that works on the job."""
        return self.folder / "lock"

    def log(self, step: str) -> PurePosixPath:
        """What the processes of a step printed."""
        return self.scratch / "logs" / f"{step}.log"

    def export(self, step: int) -> PurePosixPath:
        """The Hugging Face export of the student after `step` training steps."""
        return self.folder / "exports" / f"step-{step}"

    def evaluation(self, step: str) -> EvaluationPaths:
        """The files of the evaluation or comparison that the plan calls `step`."""
        return EvaluationPaths(self.folder / "evaluations" / step)

    def for_training(self) -> TrainPaths:
        """The paths that the trainer is told."""
        return TrainPaths(
            checkpoints=str(self.folder / "checkpoints"),
            exports=str(self.folder / "exports"),
            progress=str(self.folder / "progress.json"),
            report=str(self.report),
            scratch=str(self.scratch),
        )

    def for_evaluation(self, step: str, *, trained: bool = False) -> EvalPaths:
        """The paths that an evaluation is told; `trained`: of a job that trains, too."""
        paths = self.evaluation(step)
        return EvalPaths(
            store=str(self.store),
            data=str(self.root / DATA_STORE),
            report=str(paths.report),
            comparison=str(paths.comparison),
            progress=str(paths.progress),
            spool=self.for_training().spool if trained else None,
        )


def job_paths(root: str | PurePosixPath, job: JobIdentity) -> JobPaths:
    """The job's paths below the storage root: `<root>/jobs/<namespace>/<name>-<first 8 characters of the uid>`."""
    base = PurePosixPath(root)
    return JobPaths(base, base / "jobs" / job.namespace / f"{job.name}-{job.uid[:8]}")


def below(root: str | PurePosixPath, path: str) -> str:
    """A model or data path of a spec: `hf://...` and absolute paths as they are, others below the storage root."""
    if path.startswith("hf://"):
        return path
    return str(PurePosixPath(root) / path)
