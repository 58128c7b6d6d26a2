"""verl's FSDP2 engine registered for the device `cpu` (loaded by `actor_rollout_ref.model.external_lib`)."""

from verl.workers.engine.base import EngineRegistry
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

if "cpu" not in EngineRegistry._engines.get("language_model", {}).get("fsdp2", {}):

    @EngineRegistry.register(model_type="language_model", backend=["fsdp2"], device="cpu")
    class CpuFsdpEngine(FSDPEngineWithLMHead):
        """verl registers its engine for cuda and npu only; nothing of it is changed."""
