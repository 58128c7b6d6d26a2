"""The plan of one distillation: measure the start, train, measure the saved students, compare.

Pure. What must be observed first (the number of training prompts) comes in as an argument, and steps that wait for it
say so instead of guessing. Sweeps are put together in `sweep`, subjects and comparisons in `measuring`.
"""

from dataclasses import dataclass

from gopd_api.effective import option_values, pools, scored_teachers
from gopd_api.objects import DistillationJob, DistillationJobSpec
from gopd_api.requests import ScoredTeacher, TrackingRequest, TrainLimits, TrainRequest
from gopd_operator.core.identity import identity
from gopd_operator.core.measuring import Measuring
from gopd_operator.core.paths import JobPaths, below, job_paths
from gopd_operator.core.plan import Plan, Step, Training


@dataclass(frozen=True)
class Surroundings:
    """What a plan takes from where it runs."""

    root: str
    """Storage root, absolute."""
    tracking_uri: str | None
    """Tracking URI of jobs that name none; None: they are not tracked."""


def plan_distillation(
    job: DistillationJob,
    surroundings: Surroundings,
    prompts: int | None = None,
    parent: str | None = None,
    counted: int | None = None,
) -> Plan:
    """The plan of a DistillationJob without a sweep.

    `prompts` is the number of training prompts where it is known: with `optimization.epochs`, the steps that need the
    last checkpoint are undecided without it, or without `counted`, the steps that the training has counted itself.
    `parent` is the tracking run name of the sweep that the job is a child of.
    """
    who = identity(job)
    paths = job_paths(surroundings.root, who)
    known = total_steps(job.spec, prompts)
    total = counted if known is None else known
    measuring = Measuring(job, paths, tracking(job, surroundings, parent), total)
    steps = [*measuring.starts(), train_step(job, paths, measuring.tracking), *measuring.checkpoints()]
    comparison = measuring.comparison()
    return Plan(
        job=who,
        kind="DistillationJob",
        paths=paths,
        steps=(*steps, *([comparison] if comparison else [])),
        trainings=(training(job, total),),
    )


def total_steps(spec: DistillationJobSpec, prompts: int | None) -> int | None:
    """Training steps: `optimization.steps`, or `epochs` times the whole batches in `prompts`; None when not known."""
    if spec.optimization.steps is not None:
        return spec.optimization.steps
    if prompts is None or spec.optimization.epochs is None:
        return None
    return spec.optimization.epochs * (prompts // spec.optimization.batch_size)


def training(job: DistillationJob, total: int | None) -> Training:
    """What the job's training books and how long it is."""
    spec = job.spec
    return Training(
        job=identity(job),
        pools=pools(spec),
        total_steps=total,
        answers_per_step=spec.optimization.batch_size * spec.sampling.samples_per_prompt,
        tokens_per_answer=spec.data.max_prompt_tokens + spec.data.max_response_tokens,
    )


def train_step(job: DistillationJob, paths: JobPaths, tracked: TrackingRequest) -> Step:
    """The training, as attempt 1; whoever runs a later attempt says so in its copy of the request."""
    spec, root = job.spec, paths.root
    request = TrainRequest(
        job=identity(job),
        attempt=1,
        student=spec.student.model_copy(update={"model": below(root, spec.student.model)}),
        teachers=[_placed(teacher, paths) for teacher in scored_teachers(spec)],
        importance=spec.objective.importance,
        aggregation=spec.objective.aggregation,
        estimator=spec.objective.estimator,
        data=spec.data.model_copy(update={"train": below(root, spec.data.train)}),
        sampling=spec.sampling,
        optimization=spec.optimization,
        checkpoints=spec.checkpoints,
        accelerator=spec.compute.accelerator,
        cpu_threads=spec.compute.cpu_threads,
        pools=pools(spec),
        paths=paths.for_training(),
        tracking=tracked,
        limits=TrainLimits(stall_after_seconds=spec.lifecycle.stall_after_seconds),
        overrides=option_values(spec),
    )
    return Step("train", "train", paths, request)


def _placed(teacher: ScoredTeacher, paths: JobPaths) -> ScoredTeacher:
    """The teacher with its models' paths below the storage root."""
    reference = None if teacher.reference is None else below(paths.root, teacher.reference)
    return teacher.model_copy(update={"model": below(paths.root, teacher.model), "reference": reference})


def tracking(job: DistillationJob, surroundings: Surroundings, parent: str | None = None) -> TrackingRequest:
    """The MLflow run of a job, with the tags that runs are searched by."""
    spec = job.spec
    scales = sorted({teacher.reward_scale for teacher in scored_teachers(spec)})
    references = sorted({teacher.reference for teacher in scored_teachers(spec) if teacher.reference})
    return TrackingRequest(
        uri=spec.tracking.uri or surroundings.tracking_uri,
        experiment=spec.tracking.experiment,
        run_name=job.metadata.name,
        parent_run_name=parent,
        tags={
            "gopd.rewardScale": ",".join(f"{scale:g}" for scale in scales),
            "gopd.student": spec.student.model,
            "gopd.teachers": ",".join(f"{teacher.name}={teacher.model}" for teacher in spec.teachers),
            "gopd.reference": ",".join(references) or "none",
            "gopd.seed": str(spec.optimization.seed),
        },
    )
