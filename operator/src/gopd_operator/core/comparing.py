"""The plan of an EvalJob: measure its subjects, then compare them.

A subject that is a student of a DistillationJob stands for one or more checkpoints, which only the storage knows:
they come in as `Found`, or the plan says what it waits for. Choosing among the checkpoints that were found is decided
here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gopd_api.evaluation import Subject
from gopd_api.objects import EvalJob
from gopd_api.reports import EvalReport
from gopd_api.requests import EvalRequest, EvalSubject, TrackingRequest
from gopd_operator.core.distilling import Surroundings
from gopd_operator.core.identity import fitting_name, identity
from gopd_operator.core.measuring import evaluation_gpus, placed_tasks
from gopd_operator.core.paths import JobPaths, below, job_paths
from gopd_operator.core.plan import Plan, Step


class SubjectFault(ValueError):
    """A subject's checkpoint cannot be chosen; the message is the fault and its remedy."""


@dataclass(frozen=True)
class FoundCheckpoint:
    """An exported student of a DistillationJob."""

    step: int
    export: str
    """Folder of the Hugging Face export, absolute."""
    score: float | None = None
    """Its main score, better when higher; None where it was not measured."""


Found = Mapping[str, Sequence[FoundCheckpoint]]
"""The exported students of each DistillationJob that was looked for, by the job's name."""


def plan_comparison(job: EvalJob, surroundings: Surroundings, found: Found | None = None) -> Plan:
    """The plan of an EvalJob. Without `found`, subjects that are checkpoints of jobs leave the steps undecided.

    Raises SubjectFault when a job has no checkpoint of the kind that a subject asks for.
    """
    who = identity(job)
    paths = job_paths(surroundings.root, who)
    waiting = [subject.distillation_job.name for subject in job.spec.subjects if subject.distillation_job]
    if waiting and found is None:
        why = f"the checkpoints of {', '.join(dict.fromkeys(waiting))} are not known yet"
        steps = [
            Step("evaluate", "evaluate", paths, None, undecided=why),
            Step("compare", "compare", paths, None, ("evaluate",), undecided=why),
        ]
    else:
        subjects = [one for subject in job.spec.subjects for one in resolved(subject, paths, found or {})]
        steps = [
            Step("evaluate", "evaluate", paths, _request(job, paths, subjects, "evaluate", surroundings)),
            Step("compare", "compare", paths, _request(job, paths, subjects, "compare", surroundings), ("evaluate",)),
        ]
    return Plan(job=who, kind="EvalJob", paths=paths, steps=tuple(steps))


def resolved(subject: Subject, paths: JobPaths, found: Found) -> list[EvalSubject]:
    """The models that a subject stands for; `all` gives one for each checkpoint, named `<subject>-step-<n>`."""
    if subject.distillation_job is None:
        model = below(paths.root, str(subject.model))
        return [EvalSubject(name=subject.name, model=model, group=subject.group)]
    wanted = subject.distillation_job
    chosen = choose(wanted.name, wanted.checkpoint, found.get(wanted.name, ()))
    return [
        EvalSubject(
            name=fitting_name(f"{subject.name}-step-{one.step}") if wanted.checkpoint == "all" else subject.name,
            model=one.export,
            role="student",
            step=one.step,
            group=subject.group,
        )
        for one in chosen
    ]


def choose(job: str, wanted: str, checkpoints: Sequence[FoundCheckpoint]) -> list[FoundCheckpoint]:
    """The checkpoints that `latest`, `best`, `all` or `step-<n>` mean; raises SubjectFault when there are none."""
    ordered = sorted(checkpoints, key=lambda one: one.step)
    if not ordered:
        raise SubjectFault(f"DistillationJob {job} has no exported student yet; run it first")
    if wanted == "all":
        return ordered
    if wanted == "latest":
        return ordered[-1:]
    if wanted == "best":
        measured = [one for one in ordered if one.score is not None]
        if not measured:
            raise SubjectFault(
                f"no checkpoint of DistillationJob {job} was measured; use latest, or step-{ordered[-1].step}"
            )
        return [max(measured, key=lambda one: (one.score, one.step))]
    step = int(wanted.removeprefix("step-"))
    if found := [one for one in ordered if one.step == step]:
        return found
    steps = ", ".join(f"step-{one.step}" for one in ordered)
    raise SubjectFault(f"DistillationJob {job} has no checkpoint {wanted}; use one of {steps}")


def main_score(report: EvalReport, subject: str) -> float | None:
    """The subject's first score of its report that has a better side, turned so that higher is better."""
    for score in report.scores:
        if score.subject == subject and score.better != "neither" and math.isfinite(score.value):
            return score.value if score.better == "higher" else -score.value
    return None


def _request(
    job: EvalJob, paths: JobPaths, subjects: Sequence[EvalSubject], step: str, surroundings: Surroundings
) -> EvalRequest:
    spec = job.spec
    names = [subject.name for subject in subjects]
    wanted = spec.baseline or spec.subjects[0].name
    # A baseline that stands for all checkpoints of a job is its first one.
    baseline = wanted if wanted in names else next(name for name in names if name.startswith(f"{wanted}-step-"))
    return EvalRequest(
        job=identity(job),
        subjects=list(subjects),
        baseline=baseline,
        tasks=placed_tasks(spec.tasks, spec.sampling, paths, default_teacher=None),
        sampling=spec.sampling,
        accelerator=spec.compute.accelerator,
        gpus=evaluation_gpus(job),
        cpu_threads=spec.compute.cpu_threads,
        paths=paths.for_evaluation(step),
        tracking=TrackingRequest(
            uri=spec.tracking.uri or surroundings.tracking_uri,
            experiment=spec.tracking.experiment,
            run_name=job.metadata.name,
        ),
    )
