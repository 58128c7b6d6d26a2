"""The platform `cpu` for verl: gloo, no device memory, and logical places where verl counts GPUs.

verl asks its platform for a device module with the functions of torch.cuda; those without a meaning on a processor do
nothing here. Loaded by VERL_USE_EXTERNAL_MODULES; chosen only by VERL_PLATFORM=cpu. One rank a process group.
"""

import resource
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
import torch.distributed
from verl.plugin.platform import PlatformBase, PlatformRegistry


class _CpuDeviceModule(types.ModuleType):
    """torch.cpu, and stand-ins for the functions of torch.cuda that verl calls."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.cpu, name)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _zero(*_: Any, **__: Any) -> int:
    return 0


def _resident_bytes(*_: Any, **__: Any) -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _memory(*_: Any, **__: Any) -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return memory.available, memory.total


def _device_module() -> _CpuDeviceModule:
    module = _CpuDeviceModule("torch_cpu_as_device")
    for name in ("empty_cache", "ipc_collect", "set_per_process_memory_fraction", "reset_peak_memory_stats"):
        setattr(module, name, _nothing)
    for name in ("synchronize", "set_device"):
        setattr(module, name, _nothing)
    for name in ("max_memory_reserved", "memory_reserved", "memory_allocated"):
        setattr(module, name, _zero)
    module.max_memory_allocated = _resident_bytes  # type: ignore[attr-defined]
    module.mem_get_info = _memory  # type: ignore[attr-defined]
    module.is_available = lambda: True  # type: ignore[attr-defined]
    module.get_rng_state = lambda *_, **__: torch.get_rng_state()  # type: ignore[attr-defined]
    module.set_rng_state = lambda state, *_, **__: torch.set_rng_state(state)  # type: ignore[attr-defined]
    module.manual_seed = torch.manual_seed  # type: ignore[attr-defined]
    module.manual_seed_all = torch.manual_seed  # type: ignore[attr-defined]
    module.get_device_name = lambda *_, **__: "cpu"  # type: ignore[attr-defined]
    # An index would not do: torch.device(0) is a GPU.
    module.current_device = lambda: torch.device("cpu")  # type: ignore[attr-defined]
    module.device_count = lambda: 1  # type: ignore[attr-defined]
    return module


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    """Processors as verl's accelerator."""

    device_name = "cpu"
    vendor_name = "cpu"
    device_module = _device_module()

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        return False  # never found by itself: VERL_PLATFORM=cpu chooses it

    def current_device(self) -> torch.device:
        return torch.device("cpu")

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        return None

    def synchronize(self, device_index: int | None = None) -> None:
        return None

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        return None

    def empty_cache(self) -> None:
        return None

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    def ray_resource_name(self) -> str:
        return "GPU"  # logical: verl places workers on no other name

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        return None

    def profiler_stop(self) -> None:
        return None

    def is_ipc_supported(self) -> bool:
        return False

    def cudart(self) -> None:
        return None

    def rollout_env_vars(self) -> dict[str, str]:
        return {}


def _deduplicate_backends() -> None:
    """verl builds `cpu:gloo,cpu:gloo`, and torch refuses a device that is named twice."""
    original = torch.distributed.init_process_group
    if getattr(original, "takes_backends_twice", False):
        return

    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(backend, str) and "," in backend:
            backend = ",".join(dict.fromkeys(backend.split(",")))
        return original(backend, *args, **kwargs)

    init_process_group.takes_backends_twice = True  # type: ignore[attr-defined]
    torch.distributed.init_process_group = init_process_group
    torch.distributed.distributed_c10d.init_process_group = init_process_group


_deduplicate_backends()
