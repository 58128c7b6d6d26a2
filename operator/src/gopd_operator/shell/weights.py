"""Whether the weights of a model folder are whole, told from sizes and headers: nothing is loaded.

A copy or download that was cut off leaves a file that is too short, or an index that names files that are not there.
Limits: bytes that were changed in place are not seen, and `*.bin` files are not looked into.
"""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

INDEX = "model.safetensors.index.json"
LENGTH_BYTES = 8
LARGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


def torn_weights(folder: Path) -> str | None:
    """The first weights file that is cut off or missing, in words, or None when all are whole."""
    return next(chain(_missing(folder), _cut_off(folder)), None)


def _missing(folder: Path) -> Iterator[str]:
    index = folder / INDEX
    if not index.is_file():
        return
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        yield f"{index} is damaged"
        return
    for name in sorted(named):
        if not (folder / name).is_file():
            yield f"{folder} has no {name}, which {INDEX} names"


def _cut_off(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.safetensors")):
        size, promised = file.stat().st_size, _promised_size(file)
        if promised is None:
            yield f"{file} is damaged (its header cannot be read)"
        elif size != promised:
            yield f"{file} is damaged ({size} bytes where its header says {promised})"


def _promised_size(file: Path) -> int | None:
    """The size that the header speaks of: 8 bytes with its length, the header as JSON, then the tensors."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(LENGTH_BYTES), "little")
        if not 0 < length <= LARGEST_HEADER:
            return None
        try:
            header = json.loads(handle.read(length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return None
    return LENGTH_BYTES + length + max(ends, default=0)
