"""Requests: the only input of an image, written by the planner and read again by the class that wrote it.

Everything is resolved here: paths are absolute, every teacher has its reward scale, nothing is left to a default of
the reader. A request does not say how the work is done: verl options are the trainer's own.
"""

import hashlib
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field

from gopd_api.base import Model, ModelUri, Name, Path, Text
from gopd_api.evaluation import EvaluationSampling, Samples, Task, Temperature, Tokens, TopP
from gopd_api.training import (
    Checkpoints,
    Data,
    Domain,
    Dtype,
    Importance,
    Optimization,
    RewardScale,
    Sampling,
    Student,
)

TRAIN_VERSION: Final = "gopd.io/train/v1"
EVAL_VERSION: Final = "gopd.io/eval/v1"


class Request(Model):
    """What every request can do: name itself by the work that it asks for."""

    not_work: ClassVar[frozenset[str]] = frozenset()
    """Fields that say which try it is and when to give up: they do not change what a report answers."""

    def digest(self) -> str:
        """`sha256:` and the digest of the canonical JSON of the work: reports carry it, the same for every attempt."""
        work = self.model_dump_json(by_alias=True, exclude_none=True, exclude=set(self.not_work))
        return "sha256:" + hashlib.sha256(work.encode()).hexdigest()

    @classmethod
    def read(cls, text: str) -> Self:
        """The request in `text`; raises pydantic.ValidationError, also for a version that is not known."""
        return cls.model_validate_json(text)


class JobIdentity(Model):
    """Which object the work belongs to."""

    namespace: Text
    name: Name
    uid: Text


class ScoredTeacher(Model):
    """A teacher with everything decided: its own reward scale, and its reference where one is needed."""

    name: Name
    model: ModelUri
    domains: list[Domain]
    """Empty: every sample (single teacher)."""
    reward_scale: RewardScale
    reference: ModelUri | None = None
    """None exactly when the reward scale is 1: the reference cancels and is not loaded."""
    context: int | None = None
    dtype: Dtype
    tensor_parallel: int
    replicas: int


class Pools(Model):
    """GPUs a node and nodes, for the trainer and for the teachers with their references. On a CPU: logical places."""

    trainer_gpus_per_node: int
    trainer_nodes: int
    teacher_gpus_per_node: int
    teacher_nodes: int


class TrainPaths(Model):
    """Where training reads and writes; absolute."""

    checkpoints: Path
    """Folder of checkpoints to resume from: `global_step_<n>`."""
    exports: Path
    """Folder of Hugging Face exports: `step-<n>`."""
    progress: Path
    report: Path
    scratch: Path
    """Folder for logs, converted data and spooled metrics."""

    @property
    def spool(self) -> str:
        """Folder in which metrics wait for the tracking server; it outlives attempts."""
        return f"{self.scratch}/tracking"


class TrackingRequest(Model):
    """The MLflow run to attach to; created when the job's uid has none yet."""

    uri: Text | None = None
    """None: no tracking."""
    experiment: Text
    run_name: Text
    parent_run_name: Text | None = None
    tags: dict[str, str] = {}


class TrainLimits(Model):
    """When training gives up."""

    stall_after_seconds: int
    failed_samples_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of a step's samples whose generation or scoring may fail."""
    save_before_unix: float | None = None
    """Save and end before this time (seconds since 1970): the attempt's deadline."""


class PublishTo(Model):
    """The one ConfigMap that a training on a cluster writes its progress and its report to."""

    namespace: Text
    config_map: Text


class TrainRequest(Request):
    """Train the student from its start, or from the newest whole checkpoint."""

    not_work: ClassVar[frozenset[str]] = frozenset({"attempt", "limits", "publish"})

    version: Literal["gopd.io/train/v1"] = TRAIN_VERSION
    job: JobIdentity
    attempt: int
    student: Student
    teachers: Annotated[list[ScoredTeacher], Field(min_length=1)]
    importance: Importance
    aggregation: Literal["token-mean", "sequence-mean"]
    estimator: Literal["sampled-token"]
    data: Data
    sampling: Sampling
    optimization: Optimization
    checkpoints: Checkpoints
    accelerator: Literal["gpu", "cpu"]
    cpu_threads: int | None = None
    pools: Pools
    paths: TrainPaths
    tracking: TrackingRequest
    limits: TrainLimits
    publish: PublishTo | None = None
    """None: progress and report are files only."""
    overrides: dict[str, str | int | float | bool] = {}


class EvalSubject(Model):
    """A model to measure."""

    name: Name
    model: ModelUri
    role: Literal["student", "teacher", "other"] = "other"
    step: int | None = None
    """Training step of a student's checkpoint; 0 at the start."""
    group: Text | None = None
    """Repeats (seeds) of one setting share a group."""
    repeat: int | None = None
    """Which repeat of its group: the seed."""


class EvalTask(Task):
    """A task with its name, teacher, release and sampling decided, and its data path absolute.

    Without `data` its problems are in the data store.
    """

    name: Name
    samples: Samples
    temperature: Temperature
    top_p: TopP
    max_response_tokens: Tokens


class Drawing(Model):
    """How the answers to one task are drawn, everything decided."""

    temperature: Temperature
    top_p: TopP
    max_response_tokens: Tokens
    batch_size: int
    seed: int
    enable_thinking: bool | None = None


class EvalPaths(Model):
    """Where evaluation reads and writes; absolute."""

    store: Path
    """Folder of generations and grades, keyed by digests and shared by all evaluations of a storage root."""
    data: Path
    """Folder of the data store: the problems of known benchmarks."""
    report: Path
    """File of the EvalReport that `grade` writes."""
    comparison: Path
    """File of the Comparison that `compare` writes; its page is beside it."""
    progress: Path
    spool: Path | None = None
    """The spool of the job's training: `compare` adds to it, and sends what the training could not. None: the job has
    no training, its run begins and ends with `compare`."""

    @property
    def page(self) -> str:
        """File of the page that `compare` writes: the comparison's, for people."""
        return self.comparison.removesuffix(".json") + ".html"


class EvalRequest(Request):
    """Measure every subject on every task; `compare` then sets them against the baseline."""

    version: Literal["gopd.io/eval/v1"] = EVAL_VERSION
    job: JobIdentity
    subjects: Annotated[list[EvalSubject], Field(min_length=1)]
    baseline: Name
    tasks: Annotated[list[EvalTask], Field(min_length=1)]
    sampling: EvaluationSampling
    accelerator: Literal["gpu", "cpu"]
    gpus: int = 0
    cpu_threads: int | None = None
    paths: EvalPaths
    tracking: TrackingRequest

    def drawing(self, task: EvalTask) -> Drawing:
        """How answers of `task` are drawn."""
        return Drawing(
            temperature=task.temperature,
            top_p=task.top_p,
            max_response_tokens=task.max_response_tokens,
            batch_size=self.sampling.batch_size,
            seed=self.sampling.seed,
            enable_thinking=task.enable_thinking,
        )
