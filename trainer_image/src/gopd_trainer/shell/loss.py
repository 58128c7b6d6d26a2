"""The objective registered with verl as the distillation loss `gopd`.

It turns verl's batch into the log-probabilities that `core.objective` wants and counts the metrics as sums. verl
aggregates the loss over the whole batch, ranks and micro-batches. Imported by verl in every worker
(VERL_USE_EXTERNAL_MODULES). Top-k and full-vocabulary estimators are not here.
"""

import resource
from dataclasses import dataclass, field
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor
from verl.trainer.distillation.losses import DistillationLossSettings, register_distillation_loss
from verl.utils.metric import AggregationType, Metric
from verl.workers.config import DistillationLossConfig
from verl.workers.utils.padding import no_padding_2_padding

from gopd_trainer.core import objective
from gopd_trainer.core.metrics import MAX, SUM
from gopd_trainer.core.options import LOSS_NAME
from gopd_trainer.core.routes import (
    COLUMNS,
    REFERENCE_COLUMN,
    REWARD_SCALE_COLUMN,
    TEACHER_COLUMN,
    TEACHER_INDEX_COLUMN,
)

GIB = 2.0**30


@dataclass
class GopdLossConfig(DistillationLossConfig):
    """verl's loss configuration with what the objective needs besides."""

    importance_cap: float | None = 5.0
    """Cap of w_t; None: no importance weights."""
    teachers: list[str] = field(default_factory=list)


@register_distillation_loss(DistillationLossSettings(names=[LOSS_NAME], use_estimator=True))
def gopd_loss(config: Any, distillation_config: Any, model_output: dict[str, Any], data: TensorDict) -> Any:
    """−w·ρ·A a token, shape [samples, response tokens], and the metrics' sums.

    `data["teacher_logprobs"]` is nested [tokens, 4] a sample: teacher's and reference's log-probability, reward scale,
    and the teacher's index (see `routes`). Raises ValueError when it is not, as with another agent loop.
    """
    settings = distillation_config.distillation_loss
    student = no_padding_2_padding(model_output["log_probs"], data)
    scored = no_padding_2_padding(data["teacher_logprobs"], data)
    if scored.shape[-1] != COLUMNS:
        raise ValueError(f"teacher_logprobs has {scored.shape[-1]} columns and not {COLUMNS}: use RoutedAgentLoops")
    mask = padded(data["response_mask"], False).bool()
    teacher, reference = scored[..., TEACHER_COLUMN], scored[..., REFERENCE_COLUMN]
    reward_scale = scored[..., REWARD_SCALE_COLUMN]
    advantages = objective.advantage(teacher, reference, student, reward_scale)
    rollout = padded(data["rollout_log_probs"], 0.0)
    if settings.importance_cap is None:
        weights = torch.ones_like(advantages)
    else:
        weights = objective.importance_weight(student, rollout, settings.importance_cap)
    losses = torch.where(mask, objective.token_loss(student, advantages, weights), torch.zeros_like(student))
    tokens = {
        "student": student.detach(),
        "teacher": teacher,
        "reference": reference,
        "reward_scale": reward_scale,
        "teacher_index": scored[..., TEACHER_INDEX_COLUMN],
        "advantage": advantages,
        "weight": weights,
        "log_ratio": (student - rollout).detach(),
    }
    entropy = model_output.get("entropy")
    if entropy is not None:
        tokens["entropy"] = no_padding_2_padding(entropy, data).detach()
    return losses, counted({name: value[mask] for name, value in tokens.items()}, settings)


def padded(tensor: Tensor, filler: float | bool) -> Tensor:
    """A nested [samples, tokens] tensor as a padded one; others as they are."""
    return tensor.to_padded_tensor(filler) if tensor.is_nested else tensor


def counted(tokens: dict[str, Tensor], settings: GopdLossConfig) -> dict[str, Metric]:
    """Sums and maxima over the real tokens of a micro-batch: `tokens` are flat tensors of one length."""
    weight, advantage = tokens["weight"], tokens["advantage"]
    cap = settings.importance_cap
    sums = {
        "tokens": torch.tensor(float(advantage.numel())),
        "advantage": advantage.sum(),
        "advantage_square": advantage.square().sum(),
        "weight": weight.sum(),
        "weight_square": weight.square().sum(),
        "weight_clipped": (weight >= cap).sum() if cap is not None else torch.zeros(()),
        "log_ratio_rollout": -tokens["log_ratio"].sum(),
    }
    if "entropy" in tokens:
        sums["entropy"] = tokens["entropy"].sum()
    for index, _ in enumerate(settings.teachers):
        sums |= _teacher_sums(index, tokens)
    tops = {
        "weight": largest(weight),
        "advantage_abs": largest(advantage.abs()),
        "log_ratio_abs": largest(tokens["log_ratio"].abs()),
        "memory_gib": torch.tensor(_memory_gib()),
    }
    return {f"{SUM}/{key}": Metric(AggregationType.SUM, value) for key, value in sums.items()} | {
        f"{MAX}/{key}": Metric(AggregationType.MAX, value) for key, value in tops.items()
    }


def _teacher_sums(index: int, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
    own = tokens["teacher_index"] == index
    with_reference = own & (tokens["reward_scale"] != 1)
    student, name = tokens["student"], f"teacher{index}"
    return {
        f"{name}/tokens": own.sum(),
        f"{name}/advantage": tokens["advantage"][own].sum(),
        f"{name}/student_teacher": (student - tokens["teacher"])[own].sum(),
        f"{name}/reference_tokens": with_reference.sum(),
        f"{name}/student_reference": (student - tokens["reference"])[with_reference].sum(),
    }


def largest(values: Tensor) -> Tensor:
    """The greatest value, 0 for none."""
    return values.max() if values.numel() else torch.zeros(())


def _memory_gib() -> float:
    """Peak memory of this process: of its GPU where it has one, otherwise resident."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
