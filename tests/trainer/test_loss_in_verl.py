"""The loss as verl computes it: verl's own loss path, and verl's own FSDP2 worker, without Ray."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from examples.tiny_inputs import make_model
from torch import Tensor
from verl.trainer.distillation.losses import distillation_ppo_loss
from verl.utils import tensordict_utils as tu
from verl.workers.config import DistillationConfig, DistillationLossConfig, FSDPActorConfig

from gopd_trainer.core import objective
from gopd_trainer.core.options import AGGREGATION
from gopd_trainer.shell.loss import GopdLossConfig

PROMPTS, RESPONSES = [3, 2, 5], [4, 2, 3]
LENGTHS = [p + r for p, r in zip(PROMPTS, RESPONSES, strict=True)]
CAP = 5.0


def nested(rows: list[Tensor]) -> Tensor:
    return torch.nested.as_nested_tensor(rows, layout=torch.jagged)


def answers(values: Tensor | list[Tensor]) -> list[Tensor]:
    """The rows of the answers' tokens, from values of all tokens where row t belongs to token t + 1."""
    rows = list(values.split(LENGTHS)) if isinstance(values, Tensor) else values
    return [row[p - 1 : p + r - 1] for row, p, r in zip(rows, PROMPTS, RESPONSES, strict=True)]


def scored(scale: float, seed: int = 0) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Four columns a token, their teacher column, and rollout log-probabilities."""
    generator = torch.Generator().manual_seed(seed)
    teacher = [torch.randn(n, generator=generator) for n in LENGTHS]
    reference = [torch.randn(n, generator=generator) for n in LENGTHS]
    columns = [
        torch.stack([t, r, torch.full_like(t, scale), torch.zeros_like(t)], dim=-1)
        for t, r in zip(teacher, reference, strict=True)
    ]
    rollout = [torch.randn(n, generator=generator) for n in RESPONSES]
    return columns, teacher, rollout


def through_verl(settings: Any, log_probs: Tensor, columns: list[Tensor], rollout: list[Tensor], mode: str) -> Any:
    data = tu.get_tensordict(
        {
            "prompts": nested([torch.zeros(p, dtype=torch.long) for p in PROMPTS]),
            "responses": nested([torch.zeros(r, dtype=torch.long) for r in RESPONSES]),
            "response_mask": nested([torch.ones(r, dtype=torch.long) for r in RESPONSES]),
            "teacher_logprobs": nested(columns),
            "rollout_log_probs": nested(rollout),
            "old_log_probs": nested([row.detach() for row in answers(log_probs)]),
            "advantages": nested([torch.zeros(r) for r in RESPONSES]),
        },
        non_tensor_dict={"dp_size": 1, "batch_num_tokens": sum(RESPONSES), "global_batch_size": len(PROMPTS)},
    )
    actor = FSDPActorConfig(
        strategy="fsdp2", ppo_micro_batch_size_per_gpu=3, ppo_mini_batch_size=3, rollout_n=1, loss_agg_mode=mode
    )
    distillation = DistillationConfig(enabled=False, distillation_loss=settings)
    return distillation_ppo_loss(actor, distillation, {"log_probs": nested(list(log_probs.split(LENGTHS)))}, data)


def ours(cap: float | None = CAP) -> GopdLossConfig:
    return GopdLossConfig(
        loss_mode="gopd",
        use_policy_gradient=False,
        use_task_rewards=False,
        loss_max_clamp=None,
        log_prob_min_clamp=None,
        importance_cap=cap,
        teachers=["only"],
    )


@pytest.mark.parametrize("aggregation", AGGREGATION)
@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 1.25, 2.0])
def test_the_gradient_through_verl_equals_the_one_worked_out_by_hand(scale: float, aggregation: str) -> None:
    columns, _, rollout = scored(scale)
    log_probs = torch.randn(sum(LENGTHS), requires_grad=True)
    loss, _ = through_verl(ours(), log_probs, columns, rollout, AGGREGATION[aggregation])
    loss.backward()
    expected = []
    for sample, (student, given) in enumerate(zip(log_probs.detach().split(LENGTHS), columns, strict=True)):
        gradient, p, r = torch.zeros_like(student), PROMPTS[sample], RESPONSES[sample]
        share = 1 / sum(RESPONSES) if aggregation == "token-mean" else 1 / (len(PROMPTS) * r)
        for token in range(r):
            row = p - 1 + token
            teacher, reference = given[row, 0], given[row, 1]
            advantage = scale * teacher + (1 - scale) * reference - student[row]
            weight = min(float((student[row] - rollout[sample][token]).exp()), CAP)
            gradient[row] = -weight * advantage * share
        expected.append(gradient)
    assert log_probs.grad is not None
    assert torch.allclose(log_probs.grad, torch.cat(expected), atol=1e-6, rtol=0)


def test_reward_scale_1_equals_verls_own_reverse_kl_policy_gradient() -> None:
    columns, teacher, rollout = scored(1.0)
    log_probs = torch.randn(sum(LENGTHS), requires_grad=True)
    mine, _ = through_verl(ours(cap=None), log_probs, columns, rollout, "token-mean")
    (gradient,) = torch.autograd.grad(mine, log_probs)
    theirs = DistillationLossConfig(
        loss_mode="k1", use_policy_gradient=True, use_task_rewards=False, loss_max_clamp=None, log_prob_min_clamp=None
    )
    other, _ = through_verl(theirs, log_probs, [row[:, None] for row in teacher], rollout, "token-mean")
    (expected,) = torch.autograd.grad(other, log_probs)
    assert torch.allclose(mine, other, atol=1e-6)
    assert torch.allclose(gradient, expected, atol=1e-6, rtol=0)


def test_metrics_count_each_real_token_once() -> None:
    columns, _, rollout = scored(1.25)
    log_probs = torch.randn(sum(LENGTHS))
    _, metrics = through_verl(ours(), log_probs, columns, rollout, "token-mean")
    student, drawn = torch.cat(answers(log_probs)), torch.cat(rollout)
    rows = torch.cat(answers(columns))
    advantages = objective.advantage(rows[:, 0], rows[:, 1], student, rows[:, 2])
    weights = objective.importance_weight(student, drawn, CAP)
    sums = {key.removeprefix("gopd_sum/"): one.aggregate() for key, one in metrics.items() if "gopd_sum" in key}
    assert sums["tokens"] == sums["teacher0/tokens"] == sum(RESPONSES)
    assert sums["advantage"] == pytest.approx(advantages.sum().item(), abs=1e-5)
    assert sums["weight"] == pytest.approx(weights.sum().item(), abs=1e-5)
    assert sums["teacher0/student_teacher"] == pytest.approx((student - rows[:, 0]).sum().item(), abs=1e-5)


def test_columns_of_another_agent_loop_are_refused() -> None:
    _, teacher, rollout = scored(1.0)
    with pytest.raises(ValueError, match="has 1 columns and not 4"):
        through_verl(ours(), torch.randn(sum(LENGTHS)), [row[:, None] for row in teacher], rollout, "token-mean")


@pytest.fixture(scope="module", autouse=True)
def one_rank() -> Iterator[None]:
    """The environment of a process group of one."""
    with pytest.MonkeyPatch.context() as patch:
        given = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
        for name, value in given.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("models") / "student", seed=0))


def updated(folder: str, micro_batch: int, mode: str) -> tuple[float, float, dict[str, Tensor]]:
    """Loss, gradient norm and new weights of one update by verl's FSDP2 worker, four answers of unequal length."""
    from verl.trainer.config import CheckpointConfig
    from verl.workers.config import FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig, TrainingWorkerConfig
    from verl.workers.engine_workers import TrainingWorker

    import gopd_trainer.shell.cpu.engine  # noqa: F401

    full = {"param_dtype": "fp32", "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    engine = FSDPEngineConfig(
        strategy="fsdp2",
        use_torch_compile=False,
        model_dtype="fp32",
        mixed_precision=full,
        use_dynamic_bsz=False,
        micro_batch_size_per_gpu=micro_batch,
        infer_micro_batch_size_per_gpu=micro_batch,
    )
    model = HFModelConfig(
        path=folder,
        use_remove_padding=False,
        enable_gradient_checkpointing=False,
        override_config={"attn_implementation": "sdpa"},
    )
    worker = TrainingWorker(
        TrainingWorkerConfig(
            model_type="language_model",
            model_config=model,
            engine_config=engine,
            optimizer_config=FSDPOptimizerConfig(lr=1e-2, total_training_steps=10),
            checkpoint_config=CheckpointConfig(),
        )
    )
    worker.reset()
    actor = FSDPActorConfig(
        strategy="fsdp2",
        ppo_micro_batch_size_per_gpu=micro_batch,
        ppo_mini_batch_size=4,
        rollout_n=1,
        loss_agg_mode=mode,
    )
    distillation = DistillationConfig(enabled=False, distillation_loss=ours())
    worker.set_loss_fn(partial(distillation_ppo_loss, config=actor, distillation_config=distillation))
    out = tu.get(worker.train_batch(four_answers()), "metrics")
    weights = {name: value.full_tensor().clone() for name, value in worker.engine.module.state_dict().items()}
    loss = sum(out["distillation/loss"].values) if hasattr(out["distillation/loss"], "values") else out["loss"]
    return float(loss), float(out["grad_norm"]), weights


def four_answers() -> Any:
    generator = torch.Generator().manual_seed(3)
    prompts, responses = [5, 7, 6, 4], [8, 2, 6, 3]
    ids = [torch.randint(3, 300, (p + r,), generator=generator) for p, r in zip(prompts, responses, strict=True)]
    columns = [
        torch.cat([-3 * torch.rand(len(row), 2, generator=generator), torch.tensor([[1.25, 0.0]] * len(row))], dim=-1)
        for row in ids
    ]
    return tu.get_tensordict(
        {
            "input_ids": nested(ids),
            "position_ids": nested([torch.arange(len(row)) for row in ids]),
            "prompts": nested([row[:p] for row, p in zip(ids, prompts, strict=True)]),
            "responses": nested([row[p:] for row, p in zip(ids, prompts, strict=True)]),
            "response_mask": nested([torch.ones(r, dtype=torch.long) for r in responses]),
            "loss_mask": nested([torch.ones(r, dtype=torch.long) for r in responses]),
            "teacher_logprobs": nested(columns),
            "rollout_log_probs": nested([-5 - torch.rand(r, generator=generator) for r in responses]),
        },
        non_tensor_dict={
            "temperature": 1.0,
            "calculate_entropy": True,
            "compute_loss": True,
            "pad_mode": "no_padding",
            "global_batch_size": 4,
        },
    )


@pytest.mark.parametrize("aggregation", AGGREGATION)
def test_loss_and_update_do_not_depend_on_the_micro_batch_size(student_folder: str, aggregation: str) -> None:
    """Through verl's own FSDP2 worker, forward, backward and AdamW."""
    torch.set_num_threads(1)
    loss, norm, weights = updated(student_folder, 4, AGGREGATION[aggregation])
    for micro_batch in (1, 2):
        other_loss, other_norm, other_weights = updated(student_folder, micro_batch, AGGREGATION[aggregation])
        assert other_loss == pytest.approx(loss, abs=1e-6)
        assert other_norm == pytest.approx(norm, rel=1e-5)
        for name, value in weights.items():
            # AdamW's first step is lr·sign(gradient): a rounding of a gradient near 0 moves a weight by up to 2·lr.
            assert (other_weights[name] - value).abs().mean() < 1e-5, name
