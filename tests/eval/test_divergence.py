"""KL to the teacher along answers, against the definition computed plainly."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from gopd_eval.shell import divergence
from gopd_eval.shell.divergence import answer_divergences

ANSWERS = [([5, 6, 7], [8, 9, 10, 11]), ([12], [13]), ([20, 21, 22, 23, 24], [25, 26]), ([30, 31], list(range(40, 60)))]


@pytest.fixture(scope="module")
def models(tiny: dict[str, Path]) -> dict[str, torch.nn.Module]:
    return {
        name: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for name, folder in tiny.items()
    }


def totals(subject: torch.nn.Module, teacher: torch.nn.Module) -> list[float]:
    return [total for batch in answer_divergences(subject, teacher, ANSWERS, lambda: None) for total in batch]


@torch.inference_mode()
def by_definition(subject: torch.nn.Module, teacher: torch.nn.Module, prompt: list[int], answer: list[int]) -> float:
    inputs = torch.tensor([prompt + answer])
    p, q = (torch.softmax(model(inputs).logits[0].double(), -1) for model in (subject, teacher))
    positions = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
    return sum(float((p[t] * (p[t] / q[t]).log()).sum()) for t in positions)


def test_the_sum_is_the_definitions(models: dict[str, torch.nn.Module]) -> None:
    known = [by_definition(models["student"], models["teacher"], *answer) for answer in ANSWERS]
    assert totals(models["student"], models["teacher"]) == pytest.approx(known, abs=1e-6 * 20)
    per_token = [t / len(a) for t, (_, a) in zip(totals(models["student"], models["teacher"]), ANSWERS, strict=True)]
    assert per_token == pytest.approx([k / len(a) for k, (_, a) in zip(known, ANSWERS, strict=True)], abs=1e-6)
    assert min(known) > 0.1


def test_it_is_the_same_in_pieces_and_in_small_batches(
    models: dict[str, torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = totals(models["student"], models["teacher"])
    monkeypatch.setattr(divergence, "LOGITS_BUDGET", 320 * 3)
    monkeypatch.setattr(divergence, "TOKENS_BUDGET", 16)
    monkeypatch.setattr(divergence, "SLICE", 2)
    assert totals(models["student"], models["teacher"]) == pytest.approx(whole, abs=1e-5)
    monkeypatch.setattr(divergence, "TOKENS_BUDGET", 2048)
    assert totals(models["student"], models["teacher"]) == pytest.approx(whole, abs=1e-5)


def test_a_model_does_not_diverge_from_itself(models: dict[str, torch.nn.Module]) -> None:
    assert totals(models["student"], models["student"]) == [0.0] * len(ANSWERS)


def test_unused_rows_of_a_larger_vocabulary_are_left_out() -> None:
    p, q = torch.randn(3, 10), torch.randn(3, 12)
    torch.testing.assert_close(divergence.divergence(p, q), divergence.divergence(p, q[:, :10]))
