"""What the trainer sets that takes or saves GPU memory, and what `spec.overrides` makes of it.

The defaults repeat `gopd_trainer.core.options` and verl 0.9.1's own; a test compares them with the golden options. What
memory they come to is worked out in `memory`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gopd_api.effective import option_values, pools, trainer_gpus

if TYPE_CHECKING:
    from gopd_api.objects import DistillationJobSpec

ACTOR = "actor_rollout_ref.actor"
FSDP = f"{ACTOR}.fsdp_config"
ROLLOUT = "actor_rollout_ref.rollout"
MODEL = "actor_rollout_ref.model"

SCORING_SHARE = 0.8
"""Share of a GPU that a scoring server books."""
SCORING_TOKENS = 8192
"""Most tokens that a scoring server puts through its model at once."""


@dataclass(frozen=True)
class EngineSettings:
    """How the student is trained and draws its answers."""

    master_bytes: int
    """Bytes of a master weight, and of each of its gradient and two moments."""
    micro_batch: int
    shards: int
    """GPUs that weights, gradients and moments are spread over."""
    sequence_parallel: int
    checkpointing: bool
    compiled: bool
    """Whether the entropy is compiled, so that it keeps next to nothing."""
    offload_weights: bool
    offload_moments: bool
    offload_all: bool
    rollout_share: float
    rollout_parallel: int
    frees_cache: bool
    """Whether the rollout engine gives its memory back while the student is updated."""

    @staticmethod
    def of(spec: "DistillationJobSpec") -> "EngineSettings":
        """The settings of a job."""
        chosen = option_values(spec)
        places = max(1, trainer_gpus(pools(spec)))
        answers = spec.optimization.batch_size * spec.sampling.samples_per_prompt

        def number(name: str, default: float) -> float:
            found = chosen.get(name, default)
            return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else default

        def switch(name: str, default: bool) -> bool:
            return bool(chosen.get(name, default))

        group = int(number(f"{FSDP}.fsdp_size", -1))
        return EngineSettings(
            master_bytes=4 if spec.student.master_dtype == "float32" else 2,
            micro_batch=min(spec.optimization.micro_batch_size, max(1, answers // places)),
            shards=min(group, places) if group > 0 else places,
            sequence_parallel=max(1, int(number(f"{FSDP}.ulysses_sequence_parallel_size", 1))),
            checkpointing=switch(f"{MODEL}.enable_gradient_checkpointing", True),
            compiled=switch(f"{FSDP}.use_torch_compile", switch(f"{ACTOR}.use_torch_compile", True)),
            offload_weights=switch(f"{FSDP}.param_offload", False),
            offload_moments=switch(f"{FSDP}.optimizer_offload", False),
            offload_all=switch(f"{FSDP}.offload_policy", False),
            rollout_share=number(f"{ROLLOUT}.gpu_memory_utilization", 0.6),
            rollout_parallel=max(1, int(number(f"{ROLLOUT}.tensor_model_parallel_size", 1))),
            frees_cache=switch(f"{ROLLOUT}.free_cache_engine", True),
        )
