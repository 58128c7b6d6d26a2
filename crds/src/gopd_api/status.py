"""The statuses that the operator writes: a report on what was last observed, never an input.

Shapes follow Kubernetes' own conventions (conditions, observedGeneration); every list is bounded.
"""

from typing import Annotated, Literal

from pydantic import Field

from gopd_api.base import Model, Text, list_by

Phase = Literal[
    "Pending", "Queued", "Provisioning", "Training", "Evaluating", "Succeeded", "Failed", "Suspended", "Invalid"
]
Time = Annotated[str, Field(max_length=32)]
Note = Annotated[str, Field(max_length=1024)]


class Condition(Model):
    """A standard condition."""

    type: Text
    status: Literal["True", "False", "Unknown"]
    reason: Text
    message: Note = ""
    last_transition_time: Time
    observed_generation: int | None = None


class JobProgress(Model):
    """How far training is."""

    step: int = 0
    total_steps: int = 0
    eta_seconds: int | None = None
    display: Text | None = None
    """`step/total`, for the table that kubectl prints."""


class CheckpointStatus(Model):
    """A saved student."""

    step: int
    path: Note
    digest: Text | None = None


FailureClass = Literal[
    "application", "memory", "stall", "image", "validation", "infrastructure", "preemption", "deadline", "suspension"
]
"""Whose fault the end of an attempt was. The first four eat the budget of `lifecycle.maxAttempts`; `validation` and
`deadline` are final; the others are tried again without being counted against the job."""


class Attempt(Model):
    """One try at training: one RayJob."""

    number: int
    name: Text
    """The RayJob's name."""
    uid: Text | None = None
    """The RayJob's uid, once it was seen: one that is gone afterwards was deleted by somebody else."""
    expects: int = 0
    """Step of the newest checkpoint when the attempt was decided on: it has to start there or later."""
    started: Time
    """When the attempt was decided on; its RayJob is created afterwards."""
    ended: Time | None = None
    failure: FailureClass | None = None
    """None while it runs, and when it succeeded."""
    final: bool = False
    """It failed in a way that another attempt would not mend."""
    reason: Text | None = None
    message: Note | None = None
    gpu_seconds: float = 0
    from_step: int = 0
    """Step of the checkpoint that it started from."""
    to_step: int | None = None
    """Last step that it reported."""


class Failures(Model):
    """Attempts that ended otherwise than well, also those that the list of attempts no longer holds."""

    counted: int = 0
    """Against `lifecycle.maxAttempts`."""
    uncounted: int = 0
    """Infrastructure and preemption."""
    in_a_row: int = 0
    """Uncounted ones since the last new checkpoint."""


class EvaluationStatus(Model):
    """A measurement of one subject on one task."""

    subject: Text
    task: Text
    metric: Text
    better: Literal["higher", "lower", "neither"] = "higher"
    step: int | None = None
    value: float
    ci_low: float | None = None
    ci_high: float | None = None


class Best(Model):
    """The best student or subject so far, on the first task's metric."""

    subject: Text
    task: Text
    metric: Text
    step: int | None = None
    value: float
    display: Text
    """Value and step, for the table that kubectl prints."""


class Resources(Model):
    """What a job has used."""

    gpu_seconds: float = 0


class MlflowStatus(Model):
    """Where the job is recorded."""

    experiment_id: Text | None = None
    run_id: Text | None = None
    url: Note | None = None


class Child(Model):
    """An object that this one made."""

    kind: Text
    name: Text
    phase: Text | None = None
    """Of a Job: Complete, Failed, or Lost, when it completed, its pods were gone unread, and it was made again."""
    uid: Text | None = None
    """Of a Job that is Lost: each is counted once."""


class Inspected(Model):
    """What a look at the storage found, before a GPU was booked."""

    digest: Text
    """Of the spec and image that were looked at."""
    prompts: int | None = None


class RoleMemory(Model):
    """Memory that one role needs on each of its GPUs, at its fullest moment; an estimate."""

    role: Text
    """`student`, a teacher's name, or `<teacher>:reference`."""
    gpus: int
    gib_per_gpu: Annotated[float, Field(alias="gibPerGpu")]
    limit_gib: Annotated[int, Field(alias="limitGib")]
    """Memory of a GPU, from `compute.gpuMemoryGiB`."""
    fits: bool


class GpuHours(Model):
    """Hours times GPUs booked: from short answers on GPUs that are used well, to longest ones on GPUs that are not."""

    low: float
    high: float


class PlanStatus(Model):
    """What the job needs, worked out before anything is booked."""

    gpus: int
    trainer_gpus: int
    teacher_gpus: int
    total_steps: int | None = None
    tokens: int | None = None
    """Tokens, prompts included, that training goes through at most."""
    gpu_hours: GpuHours | None = None
    """None where the size of a model or the number of steps is not known."""
    memory: Annotated[list[RoleMemory], Field(max_length=40, json_schema_extra=list_by("role"))] = []


class EvalJobStatus(Model):
    """What was last observed of an EvalJob."""

    phase: Phase = "Pending"
    observed_generation: int | None = None
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_by("type"))] = []
    evaluations: Annotated[list[EvaluationStatus], Field(max_length=512)] = []
    best: Best | None = None
    resources: Resources | None = None
    mlflow: MlflowStatus | None = None
    children: Annotated[list[Child], Field(max_length=512)] = []
    inspected: Inspected | None = None
    started: Time | None = None
    """When the first attempt, or the first measurement, was decided on: deadlines count from here."""
    finished: Time | None = None
    """When the phase became Succeeded or Failed."""


class DistillationJobStatus(EvalJobStatus):
    """What was last observed of a DistillationJob."""

    attempts: Annotated[list[Attempt], Field(max_length=32)] = []
    """The newest attempts, oldest first."""
    failures: Failures | None = None
    plan: PlanStatus | None = None
    progress: JobProgress | None = None
    checkpoints: Annotated[list[CheckpointStatus], Field(max_length=64)] = []
