"""The two objects that people write: DistillationJob and EvalJob (group gopd.io, v1alpha1).

The specs are put together from the parts in `training`, `running` and `evaluation`; statuses are in `status`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from gopd_api.base import Model, Name, Text
from gopd_api.evaluation import Evaluation, EvaluationSampling, Subject, Task
from gopd_api.running import Compute, Lifecycle, Scheduling, Storage, Sweep, Tracking
from gopd_api.status import DistillationJobStatus, EvalJobStatus
from gopd_api.training import Checkpoints, Data, Objective, Optimization, Sampling, Student, Teacher

API_VERSION = "gopd.io/v1alpha1"
OverrideKey = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z_][\w.]*$")]


class DistillationJobSpec(Model):
    """A student, its teachers, and how one is distilled from the others, measured and recorded."""

    student: Student
    teachers: Annotated[list[Teacher], Field(min_length=1, max_length=16)]
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
    overrides: Annotated[dict[OverrideKey, str | int | float | bool], Field(max_length=64)] = {}
    """verl options by name, for what this API has no field for. Options that the project sets itself are refused."""
    sweep: Sweep | None = None


class EvalJobSpec(Model):
    """Models, tasks, and a baseline that the models are compared with."""

    subjects: Annotated[list[Subject], Field(min_length=1, max_length=64)]
    baseline: Name | None = None
    """Subject that the others are compared with. Without it: the first."""
    tasks: Annotated[list[Task], Field(min_length=1, max_length=32)]
    sampling: EvaluationSampling = EvaluationSampling()
    compute: Compute = Compute()
    scheduling: Scheduling = Scheduling()
    storage: Storage = Storage()
    tracking: Tracking = Tracking()
    lifecycle: Lifecycle = Lifecycle()


class ObjectMeta(Model):
    """The part of Kubernetes' metadata that the project reads. Other keys pass through."""

    model_config = Model.model_config | {"extra": "allow"}

    name: Name
    namespace: Annotated[str, Field(max_length=63)] = "default"
    uid: Text | None = None
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
    generation: int | None = None


class DistillationJob(Model):
    """A distillation: one student, trained, measured and compared."""

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
KINDS: dict[str, Any] = {"DistillationJob": DistillationJob, "EvalJob": EvalJob}
