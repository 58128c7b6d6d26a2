"""Events that the training process leaves for its supervisor: one JSON object a line, appended, in one file.

A file because it outlives the writer's death and needs no connection. Kinds: `imported`, `inputs`, `ready`, `resumed`,
`rollout`, `step`, `saving`, `checkpoint`, `stopped`, `failed`. The reader keeps its own position and leaves a torn last
line for later.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "events.jsonl"
FAILURES = "failed-samples.jsonl"
"""Beside the events: one line for each sample whose generation or scoring failed."""
STOP = "stop"
"""Beside the events, the other way round: a file that asks the training to save and end."""


def write(file_path: Path, kind: str, /, **fields: Any) -> None:
    """Append one event and flush it to the operating system."""
    line = json.dumps({"kind": kind, "time": time.time(), **fields}, default=float)
    with file_path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def flush(file_path: Path) -> None:
    """Have the events that were written on the disk."""
    with file_path.open("rb") as file:
        os.fsync(file.fileno())


@dataclass
class Reader:
    """Reads each whole line once."""

    path: Path
    position: int = 0
    rest: bytes = field(default=b"", repr=False)

    def new(self) -> Iterator[dict[str, Any]]:
        """The events that were written since the last call."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            read = file.read()
        self.position += len(read)
        *lines, self.rest = (self.rest + read).split(b"\n")
        for line in lines:
            if line:
                yield json.loads(line)
