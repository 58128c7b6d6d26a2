"""verl's rollout replica on processors, under the name of the GPU's engine, so that one set of options serves both.

verl wants a server handle a replica and calls `handle.method.remote(...)`; the handles here stand for logical servers
of the one `host`. Loaded by VERL_USE_EXTERNAL_MODULES. One rank a replica.
"""

import os
from typing import Any

import ray
from verl.workers.rollout.base import _ROLLOUT_REGISTRY, BaseRollout
from verl.workers.rollout.replica import RolloutMode, RolloutReplica, RolloutReplicaRegistry

from gopd_trainer.core.options import ROLLOUT_ENGINE

HOST = "gopd-cpu-host"
STUDENT = "student"
NO_OPERATIONS = frozenset(
    "sleep wake_up clear_kv_cache release_kv_cache resume_kv_cache resume_generation start_profile stop_profile".split()
)
"""What verl asks of an engine that keeps weights and caches in a GPU's memory."""


class _Method:
    def __init__(self, handle: "Handle", name: str) -> None:
        self.handle, self.name = handle, name

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        if self.name in NO_OPERATIONS:
            return ray.put(None)
        return getattr(self.handle.host, self.name).remote(self.handle.server, *args, **kwargs)


class Handle:
    """Stands for the Ray handle of a server: adds the server's name to each call."""

    def __init__(self, host: Any, server: str) -> None:
        self.host, self.server = host, server

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Method(self, name)

    def __reduce__(self) -> Any:
        return Handle, (self.host, self.server)


def host() -> Any:
    """The training's one host, started by whoever asks first."""
    # Importing it imports verl, which imports this module.
    from gopd_trainer.shell.cpu.host import Host

    threads = int(os.environ.get("GOPD_CPU_THREADS") or os.cpu_count() or 1)
    actor = ray.remote(Host).options(name=HOST, get_if_exists=True, num_cpus=0, max_concurrency=4096)
    return actor.remote(threads)


class CpuReplica(RolloutReplica):
    """A logical server of the host."""

    def _server_name(self) -> str:
        return f"teacher{self.name_suffix}-{self.replica_rank}" if self.is_teacher_model else STUDENT

    async def init_colocated(self, resource_pool: Any) -> None:
        """Teachers: no worker process of their own is needed."""
        self.rollout_mode = RolloutMode.COLOCATED
        self.resource_pool = resource_pool
        await self.launch_servers()

    async def launch_servers(self) -> None:
        """Have the host load the model."""
        config = self.model_config
        path = config["path"] if "path" in config else config.local_path  # noqa: SIM401  a dataclass has no get
        name, actor = self._server_name(), host()
        trained = not self.is_teacher_model
        await actor.add.remote(name, path, self.config, self.config.seed + self.replica_rank, trained)
        handle = Handle(actor, name)
        self.servers, self._server_handle, self._server_address = [handle], handle, name
        # The creator's handle keeps the named actor alive.
        type(self).kept = actor


class CpuWeightSender(BaseRollout):
    """The training rank's end of the weight sync: sends the student's weights to the host."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, replica_rank: int = -1) -> None:
        super().__init__(config, model_config, device_mesh)
        self.replica_rank = int(os.environ["RANK"]) if replica_rank == -1 else replica_rank
        self.is_leader_rank = True

    async def resume(self, tags: Any) -> None:
        """Nothing was put to sleep."""

    async def release(self) -> None:
        """Nothing is given back."""

    async def update_weights(self, weights: Any, global_steps: int | None = None, **_: Any) -> None:
        """Collect the named weights and hand them over; numpy arrays are read by the host without a copy."""
        from verl.workers.rollout.utils import ensure_async_iterator

        collected = {}
        async for name, tensor in ensure_async_iterator(weights):
            collected[name] = tensor.detach().float().cpu().numpy()
        await ray.get_actor(HOST).load.remote(STUDENT, collected, global_steps)


RolloutReplicaRegistry.register(ROLLOUT_ENGINE, lambda: CpuReplica)
# verl has no function to register this half; the table is its own.
_ROLLOUT_REGISTRY[(ROLLOUT_ENGINE, "async")] = f"{CpuWeightSender.__module__}.{CpuWeightSender.__qualname__}"
