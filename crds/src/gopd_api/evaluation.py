"""What is measured: tasks, sampling of answers, and how evaluations are placed in a DistillationJob.

The task names are the registry of `gopd_eval`; this module does not know how a task is graded.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gopd_api.base import FORMS, LIST_SET, Model, ModelUri, Name, Path, Rule, Text, Words, repeated, unless

CHECKPOINT_FORM = r"^(latest|best|all|step-[0-9]{1,7})$"
FORMS[CHECKPOINT_FORM] = ("a checkpoint", "write latest, best, all, or step- and a number")


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
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Temperature for this task's answers; 0 takes the likeliest token. Without it: `sampling.temperature`."""
    max_response_tokens: Annotated[int, Field(ge=1, le=1048576)] | None = None
    """Most tokens of an answer in this task. Without it: `sampling.maxResponseTokens`."""
    limit: Annotated[int, Field(ge=1, le=1000000)] | None = None
    """Problems that are run, from the first. Without it: all."""
    teacher: ModelUri | None = None
    """Teacher of `kl-to-teacher`. In a DistillationJob without it: the first teacher."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "teacher",
            "is set, but the benchmark {benchmark} has no teacher",
            "remove it, or set benchmark: kl-to-teacher",
            breaks=lambda task: [{"benchmark": task.benchmark}] if task.teacher and task.benchmark == "math" else [],
            cel="!has(self.teacher) || self.benchmark == 'kl-to-teacher'",
            general={"benchmark": "of this task"},
        ),
    )


def repeated_tasks(tasks: Sequence[Task]) -> list[Words]:
    """Tasks with the name of an earlier one; a task without a name has its benchmark's."""
    return [{"index": i, "name": f'"{name}"'} for i, name in repeated(task.name or task.benchmark for task in tasks)]


DISTINCT_TASKS = Rule(
    "tasks[{index}].name",
    "is {name} again (without a name, a task has its benchmark's)",
    "give every task a name of its own",
    breaks=lambda holder: repeated_tasks(holder.tasks),
    cel="self.tasks.all(a, self.tasks.exists_one(b, "
    "(has(b.name) ? b.name : b.benchmark) == (has(a.name) ? a.name : a.benchmark)))",
    general={"index": "", "name": "the same"},
)


class EvaluationSampling(Model):
    """How answers are drawn when a model is measured."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """0 takes the most probable token each time."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the probability that tokens are drawn from."""
    max_response_tokens: Annotated[int, Field(ge=1, le=1048576)] = 8192
    """Most tokens of an answer. Answers that reach it count as truncated."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Answers drawn at once. The drawn answers do not depend on it."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0
    """Seed of the draws, the same for every subject."""
    enable_thinking: bool | None = None
    """Value for `enable_thinking` of chat templates that know it."""


class Evaluation(Model):
    """When and on what a DistillationJob's student is measured."""

    tasks: Annotated[list[Task], Field(max_length=32)] = []
    """What the student is measured on. Empty: it is not measured."""
    at: Annotated[
        list[Literal["start", "checkpoints", "end"]], Field(min_length=1, max_length=3, json_schema_extra=LIST_SET)
    ] = ["start", "end"]
    """Before training, at every checkpoint, at the end."""
    teachers: bool = True
    """Measure the teachers on the same tasks."""
    sampling: EvaluationSampling = EvaluationSampling()

    rules: ClassVar[tuple[Rule, ...]] = (
        DISTINCT_TASKS,
        Rule(
            "at[{index}]",
            "is {at} again",
            "list every occasion once",
            breaks=lambda evaluation: [{"index": i, "at": f'"{at}"'} for i, at in repeated(evaluation.at)],
            general={"at": "the same"},
            why_no_cel="the list is a set in the schema",
        ),
        Rule(
            "at",
            "asks for evaluations at checkpoints while tasks is empty",
            "add a task, or remove checkpoints from the list",
            breaks=unless(lambda evaluation: bool(evaluation.tasks) or "checkpoints" not in evaluation.at),
            cel="self.tasks.size() > 0 || !('checkpoints' in self.at)",
        ),
    )


class CheckpointOf(Model):
    """A student of a DistillationJob in the same namespace."""

    name: Name
    """Name of the job."""
    checkpoint: Annotated[str, Field(max_length=16, pattern=CHECKPOINT_FORM)] = "latest"
    """`latest`, `best`, `all`, or `step-<number>`."""


class Subject(Model):
    """A model to measure: give `model` or `distillationJob`."""

    name: Name
    """The subject's name in tables and metrics."""
    model: ModelUri | None = None
    """`hf://org/name@revision`, or a path."""
    distillation_job: CheckpointOf | None = None
    """A student of a DistillationJob."""
    group: Text | None = None
    """Subjects of one group are repeats (seeds) of one setting, and are also compared as a group."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "model",
            "is missing, and so is distillationJob",
            "set the one that this subject is",
            breaks=unless(lambda subject: subject.model is not None or subject.distillation_job is not None),
            cel="has(self.model) || has(self.distillationJob)",
        ),
        Rule(
            "distillationJob",
            "is set together with model",
            "keep the one that is meant",
            breaks=unless(lambda subject: subject.model is None or subject.distillation_job is None),
            cel="!(has(self.model) && has(self.distillationJob))",
        ),
    )
