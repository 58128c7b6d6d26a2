"""The plan of any object: which steps, in which order, with which requests. The one planner of cluster and local runs.

Pure: the same job, surroundings and observations give the same plan. It knows no Kubernetes, no clock and no file.
"""

from dataclasses import dataclass

from gopd_api.objects import DistillationJob, EvalJob
from gopd_operator.core.comparing import Found, plan_comparison
from gopd_operator.core.distilling import Surroundings, plan_distillation
from gopd_operator.core.plan import Plan
from gopd_operator.core.sweep import plan_sweep

__all__ = ["Observed", "Surroundings", "plan"]


@dataclass(frozen=True)
class Observed:
    """What was seen of the world before planning. What was not looked for is None, and leaves steps undecided."""

    prompts: int | None = None
    """Training prompts in `data.train`."""
    checkpoints: Found | None = None
    """Exported students of the DistillationJobs that an EvalJob names."""
    total_steps: int | None = None
    """Training steps, where the training itself has counted them."""


def plan(
    job: DistillationJob | EvalJob,
    surroundings: Surroundings,
    observed: Observed | None = None,
    parent: str | None = None,
) -> Plan:
    """The plan of the job; `parent` is the tracking run name of the sweep that it is a child of.

    Raises `comparing.SubjectFault` when an EvalJob asks for a checkpoint that there is not."""
    seen = observed or Observed()
    if isinstance(job, EvalJob):
        return plan_comparison(job, surroundings, seen.checkpoints)
    if job.spec.sweep is not None:
        return plan_sweep(job, surroundings, seen.prompts)
    return plan_distillation(job, surroundings, seen.prompts, parent, seen.total_steps)
