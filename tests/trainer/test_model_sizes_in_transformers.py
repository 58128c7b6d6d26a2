"""The plan's counts against transformers and verl themselves: parameters of every known family, what is kept for the
backward pass.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from verl.utils.torch_functional import entropy_from_logits_with_chunking

from gopd_operator.core.memory import activations, logits
from gopd_operator.core.model_size import FAMILIES, facts_of

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 500,
    "max_position_embeddings": 256,
}
MORE: Mapping[str, dict[str, Any]] = {
    "qwen3": {"head_dim": 32},
    "gemma": {"head_dim": 32},
    "gemma2": {"head_dim": 32},
    "gemma3_text": {"head_dim": 32},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {
        "head_dim": 32,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "decoder_sparse_step": 2,
    },
}


def config_of(family: str, **changes: Any) -> dict[str, Any]:
    return {"model_type": family, **SMALL, **MORE.get(family, {}), **changes}


def built(config: dict[str, Any]) -> torch.nn.Module:
    """The model as transformers builds it, without memory for its weights."""
    with torch.device("meta"):
        model: torch.nn.Module = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    return model


@pytest.mark.parametrize("tied", [True, False, None])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_the_parameters_that_transformers_builds(family: str, tied: bool | None) -> None:
    config = config_of(family, **({} if tied is None else {"tie_word_embeddings": tied}))
    assert facts_of(config).parameters == sum(one.numel() for one in built(config).parameters())


def test_biases_of_the_attention_are_those_that_transformers_builds() -> None:
    config = config_of("llama", attention_bias=True)
    assert facts_of(config).parameters == sum(one.numel() for one in built(config).parameters())


class Kept:
    """Bytes of what autograd keeps for the backward pass, parameters and what was there before aside."""

    def __init__(self, known: set[int]) -> None:
        self.known = known
        self.storages: dict[int, int] = {}

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.known:
            self.storages[storage.data_ptr()] = storage.nbytes()
        return tensor


def kept_bytes(config: dict[str, Any], tokens: int) -> int:
    """Bytes that a forward pass keeps under bfloat16 autocast, without the weights' bfloat16 copies."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), attn_implementation="sdpa")
    hidden = torch.randn(1, tokens, config["hidden_size"], dtype=torch.bfloat16, requires_grad=True)
    kept = Kept({one.untyped_storage().data_ptr() for one in model.parameters()})
    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor),
    ):
        out = model.model(inputs_embeds=hidden, use_cache=False)
    assert out.last_hidden_state.requires_grad
    matrices = [one.numel() for name, one in model.named_parameters() if one.dim() == 2 and "layers" in name]
    return sum(kept.storages.values()) - 2 * sum(matrices)


@pytest.mark.parametrize(
    ("hidden", "heads", "kv_heads", "feed_forward"),
    [(256, 4, 2, 1024), (512, 8, 2, 1024), (512, 16, 2, 512), (256, 4, 4, 256), (256, 4, 2, 4096)],
)
def test_one_layer_keeps_what_the_plan_counts(hidden: int, heads: int, kv_heads: int, feed_forward: int) -> None:
    tokens = 1024
    config = config_of("qwen3", hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv_heads,
                       intermediate_size=feed_forward, head_dim=64, vocab_size=8)  # fmt: skip
    three, two = (kept_bytes(config | {"num_hidden_layers": count}, tokens) for count in (3, 2))
    counted = activations(facts_of(config | {"num_hidden_layers": 1}), tokens, checkpointing=False)
    assert (three - two) / counted == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("compiled", "bytes_a_logit"), [(False, 8.0), (True, 0.0)])
def test_an_entropy_keeps_what_the_plan_counts_and_next_to_nothing_when_it_is_compiled(
    compiled: bool, bytes_a_logit: float
) -> None:
    entropy = entropy_from_logits_with_chunking
    if compiled:
        # The backend cuts forward from backward as the default one does, and needs no compiler of C++.
        entropy = torch.compile(entropy, dynamic=True, backend="aot_eager_decomp_partition")
    matrix = torch.randn(4096, 1000, dtype=torch.bfloat16, requires_grad=True)
    kept = Kept({matrix.untyped_storage().data_ptr()})
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
        assert entropy(matrix, 2048).requires_grad
    assert sum(kept.storages.values()) / matrix.numel() == pytest.approx(bytes_a_logit, abs=0.05)
    facts = facts_of(config_of("llama", vocab_size=1000))
    more = logits(facts, 4096, compiled) - logits(facts, 4096, compiled=True)
    assert more / matrix.numel() == pytest.approx(bytes_a_logit)
