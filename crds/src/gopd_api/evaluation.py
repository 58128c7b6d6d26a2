"""What is measured: tasks, sampling of answers, and how evaluations are placed in a DistillationJob.

The task names are the registry of `gopd_eval`; this module does not know how a task is graded.
"""

from typing import Annotated, Literal

from pydantic import Field

from gopd_api.base import Model, ModelUri, Name, Path, Text


class Task(Model):
    """A benchmark and how much of it is run."""

    benchmark: Literal["math", "kl-to-teacher"]
    """`math`: answers in a box or as the last number, compared symbolically; `kl-to-teacher`: full-vocabulary
    KL(subject || teacher) in nats a token along the subject's own answers."""
    name: Name | None = None
    """Name in tables and metrics. Without it: the benchmark's."""
    data: Path
    """File of problems, JSON lines: `prompt`, and for `math` an `answer`."""
    samples: Annotated[int, Field(ge=1, le=1024)] = 1
    """Answers drawn a problem."""
    preset: Literal["strict", "seed"] = "strict"
    """`strict`: graded right; `seed`: graded as the published harness does, to compare with published numbers."""
    limit: Annotated[int, Field(ge=1, le=1000000)] | None = None
    """Problems that are run, from the first. Without it: all."""
    teacher: ModelUri | None = None
    """Teacher of `kl-to-teacher`. In a DistillationJob without it: the first teacher."""


class EvaluationSampling(Model):
    """How answers are drawn when a model is measured."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_response_tokens: Annotated[int, Field(ge=1, le=1048576)] = 8192
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Answers drawn at once. The drawn answers do not depend on it."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0
    enable_thinking: bool | None = None
    """Value for `enable_thinking` of chat templates that know it."""


class Evaluation(Model):
    """When and on what a DistillationJob's student is measured."""

    tasks: Annotated[list[Task], Field(max_length=32)] = []
    at: Annotated[list[Literal["start", "checkpoints", "end"]], Field(max_length=3)] = ["start", "end"]
    teachers: bool = True
    """Measure the teachers on the same tasks."""
    sampling: EvaluationSampling = EvaluationSampling()


class CheckpointOf(Model):
    """A student of a DistillationJob in the same namespace."""

    name: Name
    checkpoint: Annotated[str, Field(pattern=r"^(latest|best|all|step-[0-9]{1,7})$")] = "latest"
    """`latest`, `best`, `all`, or `step-<number>`."""


class Subject(Model):
    """A model to measure: give `model` or `distillationJob`."""

    name: Name
    model: ModelUri | None = None
    distillation_job: CheckpointOf | None = None
    group: Text | None = None
    """Subjects of one group are repeats (seeds) of one setting, and are also compared as a group."""
