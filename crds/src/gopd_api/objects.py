"""The two objects that people write: DistillationJob and EvalJob (group gopd.io, v1alpha1).

The specs are put together from the parts in `training`, `running` and `evaluation`; statuses are in `status`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gopd_api.base import FORMS, Model, Name, Rule, Text, list_by, repeated, unless
from gopd_api.distillation_rules import DISTILLATION_RULES
from gopd_api.evaluation import DISTINCT_TASKS, Evaluation, EvaluationSampling, Subject, Task
from gopd_api.running import Compute, Lifecycle, Scheduling, Storage, Sweep, Tracking
from gopd_api.status import DistillationJobStatus, EvalJobStatus
from gopd_api.training import Checkpoints, Data, Objective, Optimization, Sampling, Student, Teacher

API_VERSION = "gopd.io/v1alpha1"
OPTION_FORM = r"^[A-Za-z_][\w.]*$"
FORMS[OPTION_FORM] = ("the name of a verl option", "write names joined by dots, without + or ~ before them")
OptionName = Annotated[str, Field(min_length=1, max_length=256, pattern=OPTION_FORM)]
OptionValue = Annotated[
    int | Annotated[str, Field(max_length=1024)],
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "maxLength": 1024}),
]


class DistillationJobSpec(Model):
    """A student, its teachers, and how one is distilled from the others, measured and recorded."""

    student: Student
    teachers: Annotated[list[Teacher], Field(min_length=1, max_length=16, json_schema_extra=list_by("name"))]
    """The models that the student learns from. Several must each list their domains."""
    objective: Objective = Objective()
    data: Data
    sampling: Sampling = Sampling()
    optimization: Optimization
    checkpoints: Checkpoints = Checkpoints()
    evaluation: Evaluation = Evaluation()
    compute: Compute = Compute()
    scheduling: Scheduling = Scheduling()
    storage: Storage = Storage()
    tracking: Tracking = Tracking()
    lifecycle: Lifecycle = Lifecycle()
    overrides: Annotated[dict[OptionName, OptionValue], Field(max_length=64)] = {}
    """verl options by name, for what this API has no field for. A value is a whole number, or a text that is read as on
    verl's command line: `"0.5"`, `"false"`. Options that the project sets itself are refused."""
    sweep: Sweep | None = None

    rules: ClassVar[tuple[Rule, ...]] = DISTILLATION_RULES


class EvalJobSpec(Model):
    """Models, tasks, and a baseline that the models are compared with."""

    subjects: Annotated[list[Subject], Field(min_length=1, max_length=64, json_schema_extra=list_by("name"))]
    baseline: Name | None = None
    """Subject that the others are compared with. Without it: the first."""
    tasks: Annotated[list[Task], Field(min_length=1, max_length=32)]
    """What the subjects are measured on."""
    sampling: EvaluationSampling = EvaluationSampling()
    compute: Compute = Compute()
    scheduling: Scheduling = Scheduling()
    storage: Storage = Storage()
    tracking: Tracking = Tracking()
    lifecycle: Lifecycle = Lifecycle()

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "subjects[{index}].name",
            "is {name} again",
            "give every subject a name of its own",
            general={"name": "the same"},
            breaks=lambda spec: [{"index": i, "name": f'"{n}"'} for i, n in repeated(s.name for s in spec.subjects)],
            why_no_cel="the list is keyed by name in the schema",
        ),
        Rule(
            "baseline",
            "{baseline} is no subject",
            "use one of: {subjects}",
            breaks=lambda spec: (
                [{"baseline": f'"{spec.baseline}"', "subjects": ", ".join(subject.name for subject in spec.subjects)}]
                if spec.baseline not in [None, *(subject.name for subject in spec.subjects)]
                else []
            ),
            cel="!has(self.baseline) || self.subjects.exists(s, s.name == self.baseline)",
            general={"baseline": "the name", "subjects": "the names in subjects"},
        ),
        Rule(
            "baseline",
            "is every checkpoint of a job, and others can be compared with one model only",
            "choose a subject with one checkpoint",
            breaks=unless(
                lambda spec: (
                    not any(
                        subject.distillation_job and subject.distillation_job.checkpoint == "all"
                        for subject in spec.subjects
                        if subject.name == (spec.baseline or spec.subjects[0].name)
                    )
                )
            ),
            cel="!self.subjects.exists(s, s.name == (has(self.baseline) ? self.baseline : self.subjects[0].name) && "
            "has(s.distillationJob) && s.distillationJob.checkpoint == 'all')",
        ),
        DISTINCT_TASKS,
        Rule(
            "tasks[{index}].teacher",
            "is missing, and an EvalJob has no teachers of its own",
            "set the model that kl-to-teacher measures against",
            breaks=lambda spec: [
                {"index": i} for i, t in enumerate(spec.tasks) if t.benchmark == "kl-to-teacher" and not t.teacher
            ],
            cel="self.tasks.all(t, t.benchmark != 'kl-to-teacher' || has(t.teacher))",
            general={"index": ""},
        ),
    )


class ObjectMeta(Model):
    """The part of Kubernetes' metadata that the project reads. Other keys pass through."""

    model_config = Model.model_config | {"extra": "allow"}

    name: Name
    """At most 40 characters, for a sweep at most 30: the names of what is made from the object are longer."""
    namespace: Annotated[str, Field(max_length=63)] = "default"
    uid: Text | None = None
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
    generation: int | None = None
    deletion_timestamp: str | None = None


LONGEST_SWEEP_NAME = 30
SWEEP_NAME = Rule(
    "metadata.name",
    "is longer than 30 characters, which leaves no room for the names of the sweep's jobs",
    "choose a shorter name",
    breaks=unless(lambda job: job.spec.sweep is None or len(job.metadata.name) <= LONGEST_SWEEP_NAME),
    cel=f"!has(self.spec.sweep) || self.metadata.name.size() <= {LONGEST_SWEEP_NAME}",
)


class DistillationJob(Model):
    """A distillation: one student, trained, measured and compared."""

    rules: ClassVar[tuple[Rule, ...]] = (SWEEP_NAME,)

    api_version: Literal["gopd.io/v1alpha1"]
    kind: Literal["DistillationJob"]
    metadata: ObjectMeta
    spec: DistillationJobSpec
    status: DistillationJobStatus | None = None


class EvalJob(Model):
    """A comparison of models on tasks."""

    api_version: Literal["gopd.io/v1alpha1"]
    kind: Literal["EvalJob"]
    metadata: ObjectMeta
    spec: EvalJobSpec
    status: EvalJobStatus | None = None


Object = DistillationJob | EvalJob
KINDS: dict[str, type[Object]] = {"DistillationJob": DistillationJob, "EvalJob": EvalJob}
