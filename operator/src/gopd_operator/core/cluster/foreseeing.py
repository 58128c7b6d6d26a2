"""The objects that a job would come to on a cluster, foreseen from its spec alone: what `gopd plan -o manifests` shows.

It makes nothing of its own: every object is made by the function that the operator calls. A job without a uid gets the
local one, so the cluster's names and paths differ from these in it. Left out: the time at which a deadline makes a
training save, which counts from its start.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gopd_api.objects import DistillationJob
from gopd_api.requests import TrainRequest
from gopd_operator.core.cluster.accepting import NO_STORAGE
from gopd_operator.core.cluster.manifests import Context, Manifest
from gopd_operator.core.cluster.measuring_objects import inspection, part_objects
from gopd_operator.core.cluster.names import parts_of
from gopd_operator.core.cluster.sweeping import child_manifest, comparison_manifest
from gopd_operator.core.cluster.training import DEADLINE_MARGIN
from gopd_operator.core.cluster.training_objects import attempt_objects, attempt_request, grants
from gopd_operator.core.identity import identity
from gopd_operator.core.plan import Plan
from gopd_operator.core.sweep import children
from gopd_operator.core.workflow import Observed, Surroundings, plan


@dataclass(frozen=True)
class Foreseen:
    """The objects in the order in which they would be created, and what cannot be told yet."""

    objects: tuple[Manifest, ...]
    notes: tuple[str, ...] = ()


def foreseen(context: Context, prompts: int | None = None) -> Foreseen:
    """The objects of the job: inspection, the first attempt, every evaluation that is decided; a sweep's children.

    `prompts`: training prompts in `data.train`, where they were counted. Raises ValueError where the operator would
    refuse the job for want of storage.
    """
    if context.claim is None:
        raise ValueError(NO_STORAGE)
    job = context.job
    job = job.model_copy(update={"metadata": job.metadata.model_copy(update={"uid": identity(job).uid})})
    context = replace(context, job=job)
    looks = inspection(context) if context.settings.inspect else []
    if isinstance(job, DistillationJob) and job.spec.sweep is not None:
        return Foreseen((*looks, *_family(context, job)))
    made = plan(job, Surroundings(context.root, context.tracking_uri), Observed(prompts=prompts))
    notes = tuple(f"{step.name} is undecided: {step.undecided}" for step in made.steps if step.request is None)
    return Foreseen((*looks, *_once(_steps(context, made))), notes)


def _once(objects: Iterable[Manifest]) -> list[Manifest]:
    """The objects without repetition: the parts of an evaluation share their request."""
    return list({(one["kind"], one["metadata"]["name"]): one for one in objects}.values())


def _family(context: Context, job: DistillationJob) -> Iterator[Manifest]:
    family = children(job)
    for child in family.values():
        yield child_manifest(context, child)
    yield comparison_manifest(context, job, family)


def _steps(context: Context, made: Plan) -> Iterator[Manifest]:
    limit = context.job.spec.lifecycle.active_deadline_seconds
    for step in made.steps:
        if isinstance(step.request, TrainRequest):
            request = attempt_request(context, step.request, 1, None)
            yield from attempt_objects(context, request, None if limit is None else limit + DEADLINE_MARGIN)
            yield from grants(context)
        elif step.request is not None:
            for part in parts_of(step.kind):
                yield from part_objects(context, step, part)
