"""Where a training runs: on a Ray of its own, or on a Ray cluster that is there already; and its variables.

RAY_ADDRESS, Ray's own variable, decides: Ray sets it for the jobs that are submitted to it. Processes of a local Ray
inherit their variables; those of a cluster get them by its runtime environment (`core.options.on_ray_cluster`).
"""

import os
from collections.abc import Mapping

from gopd_api.requests import TrainRequest
from gopd_trainer.core.options import environment
from gopd_trainer.shell import processes


def ray_cluster(given: Mapping[str, str] = os.environ) -> str | None:
    """Address of the Ray cluster to train on; None to start one here."""
    address = given.get("RAY_ADDRESS", "").strip()
    return address if address not in ("", "local") else None


def shared_variables(request: TrainRequest) -> dict[str, str]:
    """Variables of every process of the training, wherever it runs. No secrets: Ray shows them on its dashboard."""
    chosen = dict(environment(request)) | {
        processes.MARK: request.paths.scratch,
        "HYDRA_FULL_ERROR": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if request.accelerator == "cpu":
        threads = str(request.cpu_threads or os.cpu_count() or 1)
        # Waiting threads sleep: trainer and host take turns on the same cores.
        chosen |= {"GOPD_CPU_THREADS": threads, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    return chosen


def driver_variables(request: TrainRequest) -> dict[str, str]:
    """Variables of the training process; the last three are read by a Ray that it starts itself."""
    return shared_variables(request) | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        # Ray's workers are the work here: at Ray's own niceness of 15 anything else on the machine goes first.
        "RAY_worker_niceness": "0",
    }
