"""Which checkpoint training goes on from: the newest whole one. Torn ones are passed over, never half used.

A checkpoint is whole when its seal, written last, names files that are all there with the sizes that it names. The
listing and the sizes are read by the shell; here it is only decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SEAL = "gopd-checkpoint.json"
"""File in `global_step_<n>` that is written when everything else is on disk."""


@dataclass(frozen=True)
class Seal:
    """What a whole checkpoint consists of."""

    step: int
    sizes: Mapping[str, int]
    """Size in bytes of every file, by its path below the checkpoint's folder."""
    world_size: int
    """Ranks that wrote it: as many must read it."""
    request_identity: str
    """Digest of what must not change between attempts (see `identity`)."""


@dataclass(frozen=True)
class Found:
    """A checkpoint folder as it lies on disk."""

    step: int
    path: str
    seal: Seal | None
    sizes: Mapping[str, int]


def fault(found: Found, world_size: int, identity: str) -> str | None:
    """Why `found` cannot be resumed from, or None when it can."""
    if found.seal is None:
        return "it was not finished"
    if found.seal.step != found.step:
        return f"its seal is of step {found.seal.step}"
    for name, size in found.seal.sizes.items():
        if found.sizes.get(name) != size:
            return f"{name} is missing or cut short"
    if found.seal.world_size != world_size:
        return f"it was written by {found.seal.world_size} ranks, and {world_size} would read it"
    if found.seal.request_identity != identity:
        return "it belongs to another request"
    return None


def whole(found: Iterable[Found], world_size: int, identity: str) -> list[Found]:
    """The checkpoints that can be resumed from, by step."""
    return sorted((one for one in found if fault(one, world_size, identity) is None), key=lambda one: one.step)


def to_remove(steps: Iterable[int], keep: int, newest: int) -> list[int]:
    """Steps whose checkpoints go once `newest` is exported: all up to it but the `keep` newest.

    What lies above it is left alone: an export takes a while, and the training may be writing the next one.
    """
    return sorted(step for step in steps if step <= newest)[:-keep]
