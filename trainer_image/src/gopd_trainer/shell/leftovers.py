"""What an attempt finds of the one before, which may have been killed at any moment, its supervisor with it.

Decides what of it counts: processes and wishes go, what was told stays told, and steps that the training wrote down
are told now. Which checkpoint training goes on from is decided in `core.checkpoints`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gopd_api.reports import Progress, SavedCheckpoint
from gopd_api.requests import TrainPaths
from gopd_trainer.shell import checkpoint_files, events, processes

STOP = "stop"
"""File in the scratch folder that asks the training to save and end."""


def clear(paths: TrainPaths) -> None:
    """Make the job's folders; end and remove what holds memory, ports or disk and is of no use."""
    for folder in (paths.scratch, paths.checkpoints, paths.exports):
        Path(folder).mkdir(parents=True, exist_ok=True)
    processes.end(paths.scratch)
    root = Path(paths.checkpoints)
    for torn in (one for one in checkpoint_files.list_checkpoints(root) if one.seal is None):
        checkpoint_files.remove(root, torn.step)
    for name in (events.FAILURES, STOP):
        Path(paths.scratch, name).unlink(missing_ok=True)


@dataclass(frozen=True)
class Leftovers:
    """What was told of the training so far, and what was not."""

    checkpoints: list[SavedCheckpoint]
    """Told, and their exports are there."""
    untold_steps: list[dict[str, Any]]
    """Events of steps that the training wrote down and whose supervisor died before it told them."""


def read(paths: TrainPaths, say: Callable[[str], None]) -> Leftovers:
    """What the attempt before left, where there was one.

    A supervisor tells a step before it writes the progress that names it. No later attempt has the metrics of untold
    steps: a checkpoint is sealed after its step was written down, and training goes on behind it.
    """
    record, progress = Path(paths.scratch, events.NAME), Path(paths.progress)
    if not progress.exists():
        return Leftovers([], [])
    try:
        told = Progress.model_validate_json(progress.read_text(encoding="utf-8"))
        steps = [one for one in events.Reader(record).new() if one["kind"] == "step" and one["step"] > told.step]
    except (OSError, ValueError) as error:
        say(f"what the attempt before left in {paths.scratch} cannot be read ({error}): its last points may be missing")
        return Leftovers([], [])
    return Leftovers([one for one in told.checkpoints if one.export and Path(one.export).is_dir()], steps)
