"""What is measured: tasks, sampling of answers, and how evaluations are placed in a DistillationJob.

What is known of each benchmark is in `benchmarks`; this module does not know how a task is graded.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from gopd_api.base import FORMS, LIST_SET, Model, ModelUri, Name, Path, Rule, Text, Words, repeated, unless
from gopd_api.benchmarks import BENCHMARKS, IN_STORE, OWN_FILES, BenchmarkName, Figures, Release

CHECKPOINT_FORM = r"^(latest|best|all|step-[0-9]{1,7})$"
FORMS[CHECKPOINT_FORM] = ("a checkpoint", "write latest, best, all, or step- and a number")
DAY_FORM = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
FORMS[DAY_FORM] = ("a day", "write year, month and day, as 2025-01-31")

Samples = Annotated[int, Field(ge=1, le=1024)]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
Tokens = Annotated[int, Field(ge=1, le=1048576)]
Day = Annotated[str, Field(max_length=10, pattern=DAY_FORM)]
T = TypeVar("T")
LISTED = ", ".join(f"'{name}'" for name in OWN_FILES)


class Task(Model):
    """A benchmark and how much of it is run."""

    benchmark: BenchmarkName
    """A known one, whose problems `gopd data fetch` gets, or one over a file of yours: `math` (answers in a box or as
    the last number, compared symbolically), `code` (functions, run on the tests of records as EvalPlus writes them),
    `kl-to-teacher` (full-vocabulary KL(subject || teacher) in nats a token along the subject's own answers)."""
    name: Name | None = None
    """Name in tables and metrics. Without it: the benchmark's."""
    data: Path | None = None
    """File of problems, JSON lines: `prompt`, and for `math` an `answer`. A known benchmark needs none: its problems
    are in the data store on the volume; a file given for it holds records as they are published."""
    samples: Samples | None = None
    """Answers drawn a problem. Without it: as published for the benchmark (AIME and HMMT 32, code 4), else 1."""
    preset: Literal["strict", "seed"] = "strict"
    """`strict`: asked and graded right; `seed`: as the published harness does, to compare with published numbers."""
    temperature: Temperature | None = None
    """Temperature for this task's answers; 0 takes the likeliest token. Without it: `sampling.temperature`."""
    top_p: TopP | None = None
    """Share of the probability that this task's tokens are drawn from. Without it: `sampling.topP`."""
    max_response_tokens: Tokens | None = None
    """Most tokens of an answer in this task. Without it: `sampling.maxResponseTokens`."""
    enable_thinking: bool | None = None
    """Value for `enable_thinking` of chat templates that know it. Without it: `sampling.enableThinking`."""
    limit: Annotated[int, Field(ge=1, le=1000000)] | None = None
    """Problems that are run, from the first. Without it: all."""
    teacher: ModelUri | None = None
    """Teacher of `kl-to-teacher`. In a DistillationJob without it: the first teacher."""
    release: Release | None = None
    """Release of `livecodebench`: `v6` is what release 6 added (175 problems), `release_v6` all up to it (1055).
    Without it: `v6`."""
    since: Day | None = None
    """Only problems of `livecodebench` of contests on this day or later."""
    until: Day | None = None
    """Only problems of `livecodebench` of contests on this day or earlier."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "teacher",
            "is set, but the benchmark {benchmark} has no teacher",
            "remove it, or set benchmark: kl-to-teacher",
            breaks=lambda task: (
                [{"benchmark": task.benchmark}] if task.teacher and task.benchmark != "kl-to-teacher" else []
            ),
            cel="!has(self.teacher) || self.benchmark == 'kl-to-teacher'",
            general={"benchmark": "of this task"},
        ),
        Rule(
            "data",
            "is missing, and {benchmark} has no problems of its own",
            f"give a file of problems, or name a benchmark that has them: {', '.join(IN_STORE)}",
            breaks=lambda task: (
                [{"benchmark": task.benchmark}] if task.data is None and task.benchmark in OWN_FILES else []
            ),
            cel=f"has(self.data) || !(self.benchmark in [{LISTED}])",
            general={"benchmark": "the benchmark"},
        ),
        Rule(
            "{field}",
            "is set, but the benchmark {benchmark} has neither releases nor dates",
            "remove it, or set benchmark: livecodebench",
            breaks=lambda task: (
                []
                if task.benchmark == "livecodebench"
                else [
                    {"field": field, "benchmark": task.benchmark}
                    for field in ("release", "since", "until")
                    if getattr(task, field) is not None
                ]
            ),
            cel="self.benchmark == 'livecodebench' || !(has(self.release) || has(self.since) || has(self.until))",
            general={"field": "release, since, until", "benchmark": "of this task"},
        ),
        Rule(
            "release",
            "is set together with data, and a file has no releases",
            "keep the one that is meant",
            breaks=unless(lambda task: task.release is None or task.data is None),
            cel="!(has(self.release) && has(self.data))",
        ),
        Rule(
            "until",
            "is before since, which leaves no problem",
            "set a day on or after since",
            breaks=unless(lambda task: task.since is None or task.until is None or task.since <= task.until),
            cel="!has(self.since) || !has(self.until) || self.since <= self.until",
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

    temperature: Temperature | None = None
    """0 takes the most probable token each time. Without it: 1."""
    top_p: TopP | None = None
    """Share of the probability that tokens are drawn from. Without it: 1."""
    max_response_tokens: Tokens | None = None
    """Most tokens of an answer; answers that reach it count as truncated. Without it: as published for each benchmark
    (16384), for files of yours 8192."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Answers drawn at once. The drawn answers do not depend on it."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0
    """Seed of the draws, the same for every subject."""
    enable_thinking: bool | None = None
    """Value for `enable_thinking` of chat templates that know it. Without it: the template's own default, with
    `preset: seed` false."""


def figures_of(task: Task, sampling: EvaluationSampling) -> Figures:
    """How the task's answers are drawn: what the task sets, else what `sampling` sets, else the benchmark's figures."""
    known = BENCHMARKS[task.benchmark].figures
    return Figures(
        samples=known.samples if task.samples is None else task.samples,
        temperature=_first(task.temperature, sampling.temperature, known.temperature),
        top_p=_first(task.top_p, sampling.top_p, known.top_p),
        max_response_tokens=_first(task.max_response_tokens, sampling.max_response_tokens, known.max_response_tokens),
    )


def thinking_of(task: Task, sampling: EvaluationSampling) -> bool | None:
    """Whether templates that know it are asked for thinking: the published harness asks for none."""
    wanted = sampling.enable_thinking if task.enable_thinking is None else task.enable_thinking
    return False if wanted is None and task.preset == "seed" else wanted


def _first(own: T | None, shared: T | None, known: T) -> T:
    found = shared if own is None else own
    return known if found is None else found


MEASURED_CHECKPOINTS = 200
"""Of one training: each takes two places among the 512 children that a status can list."""


class Evaluation(Model):
    """When and on what a DistillationJob's student is measured."""

    tasks: Annotated[list[Task], Field(max_length=32)] = []
    """What the student is measured on. Empty: it is not measured."""
    at: Annotated[
        list[Literal["start", "checkpoints", "end"]], Field(min_length=1, max_length=3, json_schema_extra=LIST_SET)
    ] = ["start", "end"]
    """Before training, at every checkpoint, at the end. Where `epochs` say how long the training is, more than 200
    checkpoints are thinned out evenly."""
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
