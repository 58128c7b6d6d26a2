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


class Attempt(Model):
    """One try at training."""

    name: Text
    reason: Text | None = None
    gpu_seconds: float = 0
    from_step: int = 0
    to_step: int | None = None


class EvaluationStatus(Model):
    """A measurement of one subject on one task."""

    subject: Text
    task: Text
    metric: Text
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


class PlanStatus(Model):
    """What the job needs, worked out before anything is booked."""

    gpus: int
    trainer_gpus: int
    teacher_gpus: int
    total_steps: int | None = None


class EvalJobStatus(Model):
    """What was last observed of an EvalJob."""

    phase: Phase = "Pending"
    observed_generation: int | None = None
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_by("type"))] = []
    evaluations: Annotated[list[EvaluationStatus], Field(max_length=512)] = []
    best: Best | None = None
    attempts: Annotated[list[Attempt], Field(max_length=32)] = []
    resources: Resources | None = None
    mlflow: MlflowStatus | None = None
    children: Annotated[list[Child], Field(max_length=64)] = []


class DistillationJobStatus(EvalJobStatus):
    """What was last observed of a DistillationJob."""

    plan: PlanStatus | None = None
    progress: JobProgress | None = None
    checkpoints: Annotated[list[CheckpointStatus], Field(max_length=64)] = []
