"""The size of a model from its Hugging Face `config.json`: parameters, and bytes of keys and values a token.

Counts what transformers builds for dense and mixture-of-experts decoders with gated feed-forward parts. Of any other
architecture it says what it does not know, instead of guessing. It reads no file. Caches of layers that attend to a
window only are counted as if they attended to everything: an upper bound.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gopd_api.inspection import ModelFacts

BFLOAT16 = 2


class UnknownSize(ValueError):
    """The configuration does not say how large the model is; the message says what is missing."""


@dataclass(frozen=True)
class Family:
    """What a configuration does not say, because transformers' code for the architecture does."""

    biases: int = 0
    """Biases of the attention's projections: 0, 3 (queries, keys, values) or 4 (the output too)."""
    query_key_norms: bool = False
    norms: int = 2
    """Norms of a layer, besides those of queries and keys."""
    tied: bool = False
    """Default of `tie_word_embeddings`."""


FAMILIES: Mapping[str, Family] = {
    "llama": Family(),
    "mistral": Family(),
    "mixtral": Family(),
    "qwen2": Family(biases=3),
    "qwen3": Family(query_key_norms=True),
    "qwen3_moe": Family(query_key_norms=True),
    "gemma": Family(tied=True),
    "gemma2": Family(norms=4, tied=True),
    "gemma3_text": Family(norms=4, query_key_norms=True, tied=True),
}
"""By `model_type`; read in transformers 5.9 (`modeling_<model_type>.py`)."""


def facts_of(config: Mapping[str, Any], disk_bytes: int | None = None) -> ModelFacts:
    """The facts of the model that `config` describes. Raises UnknownSize."""
    kind = config.get("model_type")
    family = FAMILIES.get(str(kind))
    if family is None:
        raise UnknownSize(f"its architecture (model_type {kind!r}) is not one of {', '.join(FAMILIES)}")
    if config.get("quantization_config"):
        raise UnknownSize("its weights are quantised (quantization_config), and what they take is not counted")
    shape = _Shape(config)
    width, own = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    experts, used, expert_width = shape.experts()
    attention = 2 * shape.hidden * (width + own) + _biases(config, family, shape)
    norms = family.norms * shape.hidden + (2 * shape.head_dim if family.query_key_norms else 0)
    sparse = shape.sparse_layers() if experts else 0
    one_expert = 3 * shape.hidden * expert_width
    dense = (shape.layers - sparse) * 3 * shape.hidden * shape.intermediate
    router = sparse * shape.hidden * experts
    shared = shape.layers * (attention + norms) + dense + router + shape.hidden
    tied = bool(config.get("tie_word_embeddings", family.tied))
    embedding = shape.vocabulary * shape.hidden
    total = shared + sparse * experts * one_expert + embedding * (1 if tied else 2)
    active = shared + sparse * used * one_expert + embedding * (1 if tied else 2)
    return ModelFacts(
        parameters=total,
        active=active if sparse else None,
        layers=shape.layers,
        hidden=shape.hidden,
        feed_forward=used * expert_width if sparse else shape.intermediate,
        attention=width,
        vocabulary=shape.vocabulary,
        kv_bytes_per_token=2 * shape.layers * own * BFLOAT16,
        context=_whole(config.get("max_position_embeddings")),
        kv_heads=shape.kv_heads,
        experts=experts or None,
        experts_per_token=used if experts else None,
        tied=tied,
        dtype=_text(config.get("dtype", config.get("torch_dtype"))),
        disk_bytes=disk_bytes,
    )


class _Shape:
    """The configuration's numbers; UnknownSize where one is missing."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.hidden = self.needed("hidden_size")
        self.layers = self.needed("num_hidden_layers")
        self.intermediate = self.needed("intermediate_size")
        self.vocabulary = self.needed("vocab_size")
        self.heads = self.needed("num_attention_heads")
        self.kv_heads = _whole(config.get("num_key_value_heads")) or self.heads
        self.head_dim = _whole(config.get("head_dim")) or self.hidden // self.heads

    def needed(self, name: str) -> int:
        """A field that must be a positive whole number."""
        found = _whole(self.config.get(name))
        if found is None:
            raise UnknownSize(f"its config.json has no {name}")
        return found

    def experts(self) -> tuple[int, int, int]:
        """Experts, experts that a token goes through, and their width; zeros where the model has none."""
        count = _whole(self.config.get("num_experts", self.config.get("num_local_experts")))
        if count is None:
            return 0, 0, 0
        width = _whole(self.config.get("moe_intermediate_size")) or self.intermediate
        return count, self.needed("num_experts_per_tok"), width

    def sparse_layers(self) -> int:
        """Layers with experts: every `decoder_sparse_step`-th that is not listed in `mlp_only_layers`."""
        step = _whole(self.config.get("decoder_sparse_step")) or 1
        dense = set(self.config.get("mlp_only_layers") or ())
        return sum(1 for index in range(self.layers) if (index + 1) % step == 0 and index not in dense)


def _biases(config: Mapping[str, Any], family: Family, shape: _Shape) -> int:
    """Biases of a layer's projections."""
    width, own = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    found = family.biases or (4 if config.get("attention_bias") else 0)
    return (width + 2 * own if found >= 3 else 0) + (shape.hidden if found == 4 else 0)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
