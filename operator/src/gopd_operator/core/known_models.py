"""Public configuration values of models that examples and papers name, for plans where no `config.json` is at hand.

Numbers are those of the `config.json` in each repository named. They are used for `gopd plan` only, which says that it
assumed them: a job is accepted or refused by the configurations that are on the storage.
"""

from collections.abc import Mapping
from typing import Any

from gopd_api.inspection import ModelFacts
from gopd_operator.core.model_size import facts_of


def _config(kind: str, sizes: tuple[int, int, int, int, int, int], **more: Any) -> dict[str, Any]:
    names = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
    )
    return {"model_type": kind, **dict(zip(names, sizes, strict=True)), **more}


QWEN3: Mapping[str, Any] = {"head_dim": 128, "max_position_embeddings": 40960, "dtype": "bfloat16"}
LLAMA: Mapping[str, Any] = {"max_position_embeddings": 131072, "dtype": "bfloat16"}
TIED: Mapping[str, Any] = {"tie_word_embeddings": True}
EXPERTS: Mapping[str, Any] = {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768}

KNOWN_CONFIGS: Mapping[str, dict[str, Any]] = {
    "Qwen/Qwen3-0.6B": _config("qwen3", (1024, 3072, 28, 16, 8, 151936), **QWEN3, **TIED),
    "Qwen/Qwen3-1.7B": _config("qwen3", (2048, 6144, 28, 16, 8, 151936), **QWEN3, **TIED),
    "Qwen/Qwen3-4B": _config("qwen3", (2560, 9728, 36, 32, 8, 151936), **QWEN3, **TIED),
    "Qwen/Qwen3-8B": _config("qwen3", (4096, 12288, 36, 32, 8, 151936), **QWEN3),
    "Qwen/Qwen3-14B": _config("qwen3", (5120, 17408, 40, 40, 8, 151936), **QWEN3),
    "Qwen/Qwen3-32B": _config("qwen3", (5120, 25600, 64, 64, 8, 151936), **QWEN3),
    "Qwen/Qwen3-30B-A3B": _config("qwen3_moe", (2048, 6144, 48, 32, 4, 151936), **QWEN3, **EXPERTS),
    "Qwen/Qwen2.5-7B": _config(
        "qwen2", (3584, 18944, 28, 28, 4, 152064), max_position_embeddings=131072, dtype="bfloat16"
    ),
    "meta-llama/Llama-3.1-8B": _config("llama", (4096, 14336, 32, 32, 8, 128256), **LLAMA),
    "meta-llama/Llama-3.1-70B": _config("llama", (8192, 28672, 80, 64, 8, 128256), **LLAMA),
    "HuggingFaceTB/SmolLM2-135M": _config(
        "llama", (576, 1536, 30, 9, 3, 49152), max_position_embeddings=8192, dtype="bfloat16", **TIED
    ),
}
OTHER_SIZE = ("awq", "gptq", "fp8", "int4", "int8", "gguf", "4bit", "8bit")
"""Parts of names of models whose weights take other than two bytes each."""


def assumed_facts(model: str) -> tuple[str, ModelFacts] | None:
    """The repository that `model` (a path or `hf://` name) is taken for, and its facts; None when none fits.

    A name that goes on after a known one (`Qwen3-4B-Base`, `Qwen3-4B-Non-Thinking-RL-Math`) is a model of that size.
    """
    name = model.split("@")[0].rstrip("/").rpartition("/")[2].lower()
    if any(part in name for part in OTHER_SIZE):
        return None
    found = [one for one in KNOWN_CONFIGS if f"{name}-".startswith(f"{one.rpartition('/')[2].lower()}-")]
    if not found:
        return None
    repository = max(found, key=len)
    return repository, facts_of(KNOWN_CONFIGS[repository])
