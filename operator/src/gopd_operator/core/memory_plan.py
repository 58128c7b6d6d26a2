"""What a DistillationJob needs, worked out before anything is booked: GPUs, steps."""

from collections.abc import Mapping

from gopd_api.effective import pools, trainer_gpus
from gopd_api.inspection import ModelFacts
from gopd_api.objects import DistillationJobSpec
from gopd_api.status import PlanStatus
from gopd_operator.core.distilling import total_steps


def plan_status(spec: DistillationJobSpec, facts: Mapping[str, ModelFacts], prompts: int | None) -> PlanStatus:
    """The plan as status shows it; on processors no GPU is booked."""
    booked = pools(spec)
    gpu = spec.compute.accelerator == "gpu"
    own = trainer_gpus(booked) if gpu else 0
    theirs = booked.teacher_gpus_per_node * booked.teacher_nodes if gpu else 0
    return PlanStatus(gpus=own + theirs, trainer_gpus=own, teacher_gpus=theirs, total_steps=total_steps(spec, prompts))


def refusal(spec: DistillationJobSpec, facts: Mapping[str, ModelFacts]) -> str | None:
    """Why the job cannot succeed, or None."""
    return None
