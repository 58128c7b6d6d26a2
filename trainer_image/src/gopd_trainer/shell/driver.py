"""The training process: looks at the inputs, composes verl's configuration, starts Ray and trains, in one process.

Started by the supervisor, one per attempt (`python -m gopd_trainer.shell.driver REQUEST`). Says everything through the
event file and its exit code: 0 finished, 3 stopped and saved, 1 failed. It never decides whether to try again.
"""

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from gopd_api.requests import TrainRequest
from gopd_trainer.core import errors
from gopd_trainer.core.identity import identity
from gopd_trainer.core.options import on_ray_cluster, options
from gopd_trainer.shell import checkpoint_files, events
from gopd_trainer.shell.surroundings import ray_cluster, shared_variables

FINISHED, FAILED, STOPPED = 0, 1, 3
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SIGNS_OF_A_FULL_DISK = (
    *(os.strerror(number) for number in sorted(FULL)),
    "database or disk is full",
    "PytorchStreamWriter failed writing",
    "inline_container",
)
"""Words of other libraries; the last two are torch's, whose writer keeps the system's own error to itself."""
SIGNS_OF_A_LOST_NODE = ("node has died", "node was preempted")
"""Ray's words among many lines; whoever judges the attempt looks for them: a lost machine is not its fault."""
OF_THE_MACHINE = "running low on memory"
"""Ray's words where the memory of the pod or the machine is short, and not that of a GPU."""
PODS_MEMORY = "give the pods more memory (spec.compute.podPatches)"
NO_FORK_SERVER = "GOPD_NO_FORK_SERVER"
"""Environment variable that switches the fork server off, to compare and to look for faults."""


def main(path: str) -> int:
    """Train as the request in `path` says and return the exit code."""
    request = TrainRequest.read(Path(path).read_text(encoding="utf-8"))
    record = Path(request.paths.scratch) / events.NAME
    try:
        worker = fork_server_command(request)
        events.write(record, "imported")
        return train(request, record, worker)
    except Exception as error:  # noqa: BLE001  the one place where any failure becomes a recorded reason
        traceback.print_exc()
        known = explained(error)
        events.write(record, "failed", reason=known.reason, message=str(known))
        return FAILED


def fork_server_command(request: TrainRequest) -> str | None:
    """Start the fork server where it is of use, before anything starts a thread: for processors of this machine."""
    if request.accelerator != "cpu" or ray_cluster() or os.environ.get(NO_FORK_SERVER):
        return None
    from gopd_trainer.shell.cpu import fork_server

    fork_server.preload()
    return fork_server.start()


def train(request: TrainRequest, record: Path, worker: str | None) -> int:
    """Prepare and run; returns FINISHED or STOPPED. `worker` is the command that Ray starts its workers with."""
    from gopd_trainer.shell import inputs

    folders = inputs.model_folders(request)
    rows = inputs.convert_data(request, inputs.check_tokenizers(request, folders))
    usable = checkpoint_files.whole_checkpoints(request)
    resume = usable[-1] if usable else None
    events.write(record, "inputs", prompts=rows, resume_from=resume.path if resume else None)
    chosen = options(request, resume.path if resume else None, folders) | {"gopd.identity": identity(request)}
    if ray_cluster():
        chosen = on_ray_cluster(chosen, shared_variables(request))
    if worker is not None:
        chosen["ray_kwargs.ray_init.runtime_env.py_executable"] = worker
    run_verl(chosen)
    stopped = [event for event in events.Reader(record).new() if event["kind"] in ("stopped", "ready")]
    return STOPPED if stopped and stopped[-1]["kind"] == "stopped" else FINISHED


def run_verl(chosen: dict[str, Any]) -> None:
    """verl's own entry, with its task runner in this process instead of in an actor that imports everything again."""
    import ray
    from verl.trainer.main_ppo import TaskRunnerV1, run_ppo

    import gopd_trainer.shell.trainer as trainer
    from gopd_trainer.shell.compose import compose, validate

    config = compose(chosen)
    validate(config)
    runner_class = TaskRunnerV1.__ray_metadata__.modified_class  # verl decorates it with @ray.remote

    class InProcess:
        """Looks like an actor class and handle to `run_ppo`."""

        @classmethod
        def remote(cls) -> "InProcess":
            return cls()

        @property
        def run(self) -> Any:
            class Call:
                @staticmethod
                def remote(given: Any) -> Any:
                    events.write(Path(chosen["gopd.scratch"]) / events.NAME, "ready")
                    runner_class().run(given)
                    return ray.put(None)

            return Call()

    try:
        run_ppo(config, task_runner_class=InProcess)
    except trainer.StopRequested:
        pass  # saved by the trainer, and told in the event file
    finally:
        ray.shutdown()


def explained(error: BaseException) -> errors.TrainingError:
    """What a failure means for the person who reads the report."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, errors.TrainingError):
        return error
    if (isinstance(error, OSError) and error.errno in FULL) or any(sign in text for sign in SIGNS_OF_A_FULL_DISK):
        return errors.DiskFull(f"the storage is full ({text[:300]}); free space, or lower spec.checkpoints.keep")
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "OutOfMemory" in text:
        more = PODS_MEMORY if OF_THE_MACHINE in text else "use more GPUs"
        remedy = f"lower spec.optimization.microBatchSize or spec.data.maxResponseTokens, or {more}"
        return errors.OutOfMemory(f"a process ran out of memory ({text[:300]}); {remedy}")
    lines = text.strip().splitlines()
    if len(lines) == 1:
        return errors.TrainingError(text[:1000])
    last = next((line for line in lines if any(sign in line for sign in SIGNS_OF_A_LOST_NODE)), lines[-1])
    return errors.TrainingError(f"{lines[0][:300]} ... {last.strip()[:500]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
