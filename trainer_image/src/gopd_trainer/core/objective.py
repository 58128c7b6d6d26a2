"""The G-OPD objective on sampled tokens (arXiv 2602.12125, eq. 11-14, in advantage sign).

    A_t = λ·log π_teacher(y_t) + (1−λ)·log π_reference(y_t) − log π_student(y_t)          stop-gradient, discount 0
    loss_t = − w_t · ρ_t · A_t
    ρ_t = π_student(y_t) / stopgrad(π_student(y_t)),  w_t = min(π_student(y_t) / π_rollout(y_t), cap)

λ is the reward scale. The optimum is π ∝ π_teacher^λ · π_reference^(1−λ) at every state. This module knows tensors
and no trainer; how tokens are put together to one number is `loss_agg_mode` of verl (see `options.AGGREGATION`).
"""

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log importance ratios are clamped to ±20 before exp, as in the published implementation."""


def advantage(teacher: Tensor, reference: Tensor, student: Tensor, reward_scale: Tensor | float) -> Tensor:
    """A_t of the sampled tokens, in nats, without gradient.

    All log-probabilities have one shape (any), of the sampled tokens at temperature 1; `reward_scale` broadcasts.
    At reward scale 1 the reference is multiplied by 0: any finite number stands in for it.
    """
    return (reward_scale * teacher + (1.0 - reward_scale) * reference - student).detach()


def importance_weight(student: Tensor, rollout: Tensor, cap: float) -> Tensor:
    """w_t = min(π_student / π_rollout, cap) without gradient; corrects for the two engines computing differently.

    `student` and `rollout` are log-probabilities of the same tokens from the training and from the rollout engine.
    """
    log_ratio = (student - rollout).detach().clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return log_ratio.exp().clamp(max=cap)


def token_loss(student: Tensor, advantages: Tensor, weights: Tensor) -> Tensor:
    """−w_t · ρ_t · A_t a token; its value is −w_t · A_t and its gradient −w_t · A_t · ∇ log π_student."""
    ratio = (student - student.detach()).exp()
    return -weights.detach() * ratio * advantages.detach()


def effective_sample_share(weights: Tensor) -> Tensor:
    """(Σw)² / (n·Σw²) in (0, 1]: the share of the n tokens that weighs in, a scalar."""
    return weights.sum().square() / (weights.numel() * weights.square().sum())


def fixed_point(teacher: Tensor, reference: Tensor, reward_scale: float) -> Tensor:
    """The optimum π ∝ π_teacher^λ · π_reference^(1−λ) of probabilities over the last dimension."""
    return torch.softmax(reward_scale * teacher.log() + (1.0 - reward_scale) * reference.log(), dim=-1)
