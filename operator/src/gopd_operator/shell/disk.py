"""Whether checkpoints and exports fit on the disk: an estimate from the sizes of the student's weights.

A checkpoint holds float32 weights and Adam's two moments (12 bytes a parameter); one more than `keep` lies there
while the next is written. An export holds the weights in `student.masterDtype`. Limits: logs, data and generations
are not counted, nor students that are fetched by `hf://`.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from gopd_api.objects import DistillationJob
from gopd_operator.core.distilling import total_steps
from gopd_operator.core.paths import below
from gopd_operator.shell.models import parameter_count

CHECKPOINT_BYTES = 12
EXPORT_BYTES = {"float32": 4, "bfloat16": 2}


@dataclass
class Room:
    """What to say about the disk."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def disk_findings(job: DistillationJob, root: Path) -> Room:
    """A fault when not even one checkpoint and export fit, a note when not all of them do."""
    room = Room()
    if job.spec.student.model.startswith("hf://"):
        return room
    count = parameter_count(Path(below(str(root), job.spec.student.model)))
    if count is None:
        return room
    least, most = needed_bytes(job, count)
    free = shutil.disk_usage(_existing(root)).free
    words = f"{root} has {_gib(free)} free"
    if free < least:
        room.faults.append(
            f"spec.checkpoints: {words}, and one checkpoint with its export takes {_gib(least)}; "
            "free some, or choose another --workdir"
        )
    elif free < most:
        room.notes.append(
            f"warning: {words}, and checkpoints and exports may take {_gib(most)}; "
            "lower checkpoints.keep or raise checkpoints.everySteps"
        )
    return room


def needed_bytes(job: DistillationJob, parameters: int) -> tuple[int, int]:
    """Bytes of one checkpoint with its export, and of everything that lies on the disk at the most."""
    spec = job.spec
    checkpoint = CHECKPOINT_BYTES * parameters
    export = EXPORT_BYTES[spec.student.master_dtype] * parameters
    total = total_steps(spec, None)
    exports = 1 if total is None else -(-total // spec.checkpoints.every_steps)
    children = spec.sweep.size() if spec.sweep else 1
    kept = min(exports, spec.checkpoints.keep + 1)
    return checkpoint + export, children * (kept * checkpoint + exports * export)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
