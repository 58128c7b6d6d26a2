"""The objective against numbers worked out by hand: golden vectors, fixed points, weights."""

import pytest
import torch

from gopd_trainer.core import objective

SCALES = (0.0, 0.5, 1.0, 1.25, 1.5)
GOLDEN = [
    ((-1.0, -2.0, -1.5), (-0.5, 0.0, 0.5, 0.75, 1.0)),
    ((-3.0, -0.5, -0.7), (0.2, -1.05, -2.3, -2.925, -3.55)),
    ((-0.01, -0.02, -0.015), (-0.005, 0.0, 0.005, 0.0075, 0.01)),
]
"""(log π_teacher, log π_reference, log π_student) and A at each of SCALES."""

TEACHER, REFERENCE = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)
FIXED_POINTS = {
    0.5: (0.60493, 0.25046, 0.14461),
    1.25: (0.74196, 0.17610, 0.08194),
    1.5: (0.77971, 0.15373, 0.06657),
}


@pytest.mark.parametrize(("log_probs", "expected"), GOLDEN)
def test_advantages_equal_the_golden_vectors(
    log_probs: tuple[float, float, float], expected: tuple[float, ...]
) -> None:
    teacher, reference, student = (torch.tensor(value, dtype=torch.float64) for value in log_probs)
    found = [objective.advantage(teacher, reference, student, scale).item() for scale in SCALES]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("scale", "expected"), FIXED_POINTS.items())
def test_a_tabular_softmax_reaches_the_fixed_point(scale: float, expected: tuple[float, ...]) -> None:
    """Exact expectations of the loss's own gradient over a three-token vocabulary, plain gradient descent."""
    teacher, reference = torch.tensor(TEACHER).double(), torch.tensor(REFERENCE).double()
    logits = reference.log().clone().requires_grad_(True)
    for _ in range(3000):
        student = logits.log_softmax(-1)
        advantages = objective.advantage(teacher.log(), reference.log(), student, scale)
        losses = objective.token_loss(student, advantages, torch.ones_like(student))
        loss = (student.detach().exp() * losses).sum()
        (gradient,) = torch.autograd.grad(loss, logits)
        with torch.no_grad():
            logits -= 0.5 * gradient
    found = logits.softmax(-1)
    assert torch.allclose(found, torch.tensor(expected).double(), atol=1e-4)
    assert torch.allclose(found, objective.fixed_point(teacher, reference, scale), atol=1e-4)


def test_the_mean_advantage_at_the_optimum_is_log_z_and_not_zero() -> None:
    teacher, reference = torch.tensor(TEACHER).double(), torch.tensor(REFERENCE).double()
    for scale, z in ((0.5, 0.97798), (1.25, 1.02624), (1.5, 1.06226)):
        best = objective.fixed_point(teacher, reference, scale)
        advantages = objective.advantage(teacher.log(), reference.log(), best.log(), scale)
        assert (best * advantages).sum().exp().item() == pytest.approx(z, abs=1e-5)


def test_the_reference_does_not_matter_at_reward_scale_1() -> None:
    teacher, student = torch.randn(5).double(), torch.randn(5).double()
    one = objective.advantage(teacher, torch.zeros(5).double(), student, 1.0)
    other = objective.advantage(teacher, torch.randn(5).double() * 100, student, 1.0)
    assert torch.equal(one, other)
    assert torch.equal(one, teacher - student)


def test_the_gradient_of_the_loss_is_minus_weight_times_advantage() -> None:
    student = torch.randn(7, dtype=torch.float64, requires_grad=True)
    advantages, weights = torch.randn(7).double(), torch.rand(7).double() * 5
    losses = objective.token_loss(student, advantages, weights)
    losses.sum().backward()
    assert student.grad is not None
    assert torch.allclose(student.grad, -weights * advantages, atol=1e-12)
    assert torch.allclose(losses.detach(), -weights * advantages, atol=1e-12)


def test_importance_weights_are_capped_above_and_not_below() -> None:
    student = torch.tensor([-1.0, -1.0, -1.0, -100.0], requires_grad=True)
    rollout = torch.tensor([-1.0, -4.0, -0.5, 0.0])
    weights = objective.importance_weight(student, rollout, cap=5.0)
    assert weights.tolist() == pytest.approx([1.0, 5.0, 0.6065307, 2.0611537e-09], rel=1e-5)
    assert not weights.requires_grad


def test_equal_weights_use_every_token_and_one_heavy_weight_uses_one() -> None:
    assert objective.effective_sample_share(torch.full((8,), 3.0)).item() == pytest.approx(1.0)
    heavy = torch.tensor([1.0] + [0.0] * 7)
    assert objective.effective_sample_share(heavy).item() == pytest.approx(1 / 8)
