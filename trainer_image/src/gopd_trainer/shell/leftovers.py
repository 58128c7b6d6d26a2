"""What an attempt finds of the one before, which may have been killed at any moment, its supervisor with it.

Decides what of it counts: processes and wishes go, what was told stays told, and steps that the training wrote down
are told now. Which checkpoint training goes on from is decided in `core.checkpoints`. Nothing here ends an attempt:
what cannot be read or removed is told or left.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gopd_api.reports import Progress, SavedCheckpoint
from gopd_api.requests import TrainPaths, TrainRequest
from gopd_trainer.shell import checkpoint_files, events, processes


def clear(paths: TrainPaths) -> None:
    """Make the job's folders; end and remove what holds memory, ports or disk and is of no use."""
    for folder in (paths.scratch, paths.checkpoints, paths.exports):
        Path(folder).mkdir(parents=True, exist_ok=True)
    processes.end(paths.scratch)
    for rest in (*checkpoint_files.torn(Path(paths.checkpoints)), *checkpoint_files.half_exports(Path(paths.exports))):
        shutil.rmtree(rest, ignore_errors=True)
    for name in (events.FAILURES, events.STOP):
        Path(paths.scratch, name).unlink(missing_ok=True)


def told_checkpoints(paths: TrainPaths, say: Callable[[str], None]) -> list[SavedCheckpoint]:
    """The checkpoints that the attempts before told of, and whose exports are there."""
    progress = Path(paths.progress)
    if not progress.exists():
        return []
    try:
        told = Progress.model_validate_json(progress.read_text(encoding="utf-8")).checkpoints
    except (OSError, ValueError) as error:
        say(f"{progress} of the attempt before cannot be read ({error}): its checkpoints are looked for")
        return []
    there = [one for one in told if one.export and Path(one.export).is_dir()]
    return [one if Path(one.path).is_dir() else one.model_copy(update={"path": ""}) for one in there]


def written_steps(request: TrainRequest, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Events of the steps up to the checkpoint that training goes on from, told or not: points are kept once.

    No later attempt has the metrics of these steps: a checkpoint is sealed after its step was written down, and
    training goes on behind it. Steps after it are trained again, and told then.
    """
    record = Path(request.paths.scratch, events.NAME)
    try:
        newest = max((one.step for one in checkpoint_files.whole_checkpoints(request)), default=0)
        return [one for one in events.Reader(record).new() if one["kind"] == "step" and one["step"] <= newest]
    except (OSError, ValueError, TypeError, KeyError) as error:
        say(f"{record} of the attempt before cannot be read ({error}): its last points may be missing")
        return []
