"""GPU memory of one GPU at the moments when it is fullest, part by part, in bytes.

Three moments: the student is updated (FSDP2), the student draws answers (vLLM on the same GPUs), a server scores
answers (vLLM). Formulas and their sources stand at each function; `docs/memory.md` says which were checked. What fits
and what to do where it does not is decided in `memory_plan`. Estimates, not measurements: no GPU was asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gopd_api.inspection import ModelFacts
from gopd_api.training import Dtype
from gopd_operator.core.engine_settings import SCORING_SHARE, SCORING_TOKENS, EngineSettings

GIB = 2**30
BFLOAT16, FLOAT32 = 2, 4
DTYPE_BYTES: Mapping[Dtype, int] = {"bfloat16": BFLOAT16, "float32": FLOAT32}
RUNTIME = 2 * GIB
"""CUDA context, NCCL's and cuBLAS's buffers of the training process. Assumed, not measured."""
ASLEEP = GIB
"""What a sleeping vLLM keeps: its context and its CUDA graphs. Assumed, not measured."""
WORKSPACE = GIB
"""Activations and graphs inside vLLM's own share. Assumed, not measured."""
LOGITS_BYTES, CERTAIN_LOGITS_BYTES = 8, 4
"""Of one token's logit while the student is updated: bfloat16 logits (2), log-softmax kept for the backward pass in
float32, which autocast makes it (4), and the gradient in bfloat16 (2). As verl 0.9.1 computes them without flash-attn's
cross entropy (`logprobs_from_logits_v2`); with it the float32 part goes, and the rest is certain."""
ENTROPY_TOKENS = 2048
"""verl's `entropy_from_logits_chunk_size`."""
PROMPT_LOGIT_BYTES, CERTAIN_SCORING_TOKENS = 6, 1024
"""Of one token's logit while a server scores: bfloat16 logits (2) and their log-softmax in float32 (4); vLLM's
`_get_prompt_logprobs_dict`. Newer runners of vLLM do it in pieces of 1024 tokens and need less."""

MomentName = Literal["update", "answers", "scoring"]


@dataclass(frozen=True)
class Moment:
    """What lies on one GPU at one moment."""

    name: MomentName
    parts: Mapping[str, int]
    """Bytes by what they are for."""
    least_share: int = 0
    """Bytes that vLLM needs in its share: weights, workspace and the cache of one longest answer."""
    share: int = 0
    """Bytes that vLLM books; 0 where it books none."""
    uncertain: int = 0
    """Bytes of the parts that versions and kernels may do without: nothing is refused because of them."""

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(self.parts.values())


def update_moment(facts: ModelFacts, settings: EngineSettings, tokens: int, gpu_bytes: int) -> Moment:
    """While the student is updated on answers of at most `tokens` tokens, prompt included.

    States: master weights, gradients and AdamW's two moments, each in the master's precision and sharded: 16 bytes a
    parameter in float32 (Rajbhandari et al., ZeRO, arXiv 1910.02054, 3.1, with float32 gradients). verl brings
    offloaded states back for the whole update; only FSDP2's own `offload_policy` keeps them away.
    """
    through = settings.micro_batch * tokens // settings.sequence_parallel
    state = 0 if settings.offload_all else facts.parameters * settings.master_bytes // settings.shards
    cache = 0 if settings.frees_cache else int(settings.rollout_share * gpu_bytes)
    return Moment(
        "update",
        {
            "weights": state,
            "gradients": state,
            "moments": 2 * state,
            "gathered": gathered(facts),
            "activations": activations(facts, through, settings.checkpointing),
            "logits": logits(facts, through, settings.compiled),
            "runtime": RUNTIME + (ASLEEP if settings.frees_cache else 0),
            "rollout": cache,
        },
        uncertain=logits(facts, through, settings.compiled)
        - CERTAIN_LOGITS_BYTES * through * facts.vocabulary
        + ASLEEP
        + RUNTIME // 2,
    )


def gathered(facts: ModelFacts) -> int:
    """Whole parameters that FSDP2 holds in bfloat16 beyond its shards, and the largest gradient before it is shared.

    Two layers (one in use, one prefetched) and the root group, which is the embedding and the output layer and stays
    gathered (`fully_shard` of PyTorch; verl's `apply_fsdp2`); a group's gradient in bfloat16 and its float32 copy for
    the reduction (`reduce_dtype` of verl is fp32).
    """
    embedding = facts.vocabulary * facts.hidden
    root = embedding if facts.tied in (True, None) else 2 * embedding
    layer = max(0, facts.parameters - root) // facts.layers
    return (2 * layer + root) * BFLOAT16 + max(layer, root) * (BFLOAT16 + FLOAT32)


def activations(facts: ModelFacts, tokens: int, checkpointing: bool) -> int:
    """Activations for `tokens` tokens that go through the student at once.

    With gradient checkpointing: the input of every layer in bfloat16 (Chen et al., arXiv 1604.06174) and one layer's
    own, otherwise every layer's own. A layer's own, in bytes a token: norms and the two residuals 22 a unit of the
    hidden size, queries with the attention's output 10, keys with values 10, and gate, up, activation and product 8. As
    autograd keeps them in transformers' Qwen3 under bfloat16 autocast (measured in a test; the way of counting is
    Korthikanti et al., arXiv 2205.05198, 4.1). Attention's matrix is not stored, as in its fused kernels.
    """
    own = facts.kv_bytes_per_token // (2 * facts.layers * BFLOAT16)
    width = facts.attention or facts.hidden
    feed_forward = facts.feed_forward or 4 * facts.hidden
    layer = tokens * (22 * facts.hidden + 10 * width + 10 * own + 8 * feed_forward)
    if not checkpointing:
        return facts.layers * layer
    return facts.layers * tokens * facts.hidden * BFLOAT16 + layer


def logits(facts: ModelFacts, tokens: int, compiled: bool = True) -> int:
    """The [tokens, vocabulary] matrix with what is derived from it, and the entropy's pieces (three in float32).

    A compiled entropy makes its pieces again in the backward pass; otherwise it keeps two of them for every token
    (8 bytes a logit against 0.01, measured in a test).
    """
    pieces = 3 * FLOAT32 * min(ENTROPY_TOKENS, tokens) * facts.vocabulary
    kept = 0 if compiled else 2 * FLOAT32 * tokens * facts.vocabulary
    return LOGITS_BYTES * tokens * facts.vocabulary + pieces + kept


def answers_moment(facts: ModelFacts, settings: EngineSettings, tokens: int, gpu_bytes: int) -> Moment:
    """While the student draws answers: what training keeps on the GPU, and vLLM's share of the whole GPU.

    vLLM books `gpu_memory_utilization` of the GPU, fills what its weights leave with keys and values, and refuses to
    start when the cache cannot hold one sequence of the longest length (vLLM, `gpu_memory_utilization`).
    """
    state = 0 if settings.offload_all else facts.parameters * settings.master_bytes // settings.shards
    share = int(settings.rollout_share * gpu_bytes)
    weights = facts.parameters * BFLOAT16 // settings.rollout_parallel
    least = weights + WORKSPACE + facts.kv_bytes_per_token * (tokens + 1) // settings.rollout_parallel
    return Moment(
        "answers",
        {
            "weights": 0 if settings.offload_weights else state,
            "moments": 0 if settings.offload_moments else 2 * state,
            "rollout weights": weights,
            "rollout cache": max(share - weights - WORKSPACE, 0),
            "rollout workspace": WORKSPACE,
            "runtime": RUNTIME,
        },
        least_share=least,
        share=share,
        uncertain=RUNTIME // 2,
    )


def scoring_moment(facts: ModelFacts, dtype: Dtype, tensor_parallel: int, tokens: int, gpu_bytes: int) -> Moment:
    """While a server scores answers of at most `tokens` tokens, prompt included.

    The logits of a piece of a prompt are made outside of the share that vLLM books: its profiling run asks for none.
    Tensor parallelism divides weights and cache, not the logits, which every rank gathers.
    """
    share = int(SCORING_SHARE * gpu_bytes)
    weights = facts.parameters * DTYPE_BYTES[dtype] // tensor_parallel
    least = weights + WORKSPACE + facts.kv_bytes_per_token * (tokens + 1) // tensor_parallel
    piece = min(SCORING_TOKENS, tokens + 1)
    return Moment(
        "scoring",
        {
            "weights": weights,
            "cache": max(share - weights - WORKSPACE, 0),
            "workspace": WORKSPACE,
            "logits": PROMPT_LOGIT_BYTES * piece * facts.vocabulary,
        },
        least_share=least,
        share=share,
        uncertain=PROMPT_LOGIT_BYTES * max(0, piece - CERTAIN_SCORING_TOKENS) * facts.vocabulary,
    )
