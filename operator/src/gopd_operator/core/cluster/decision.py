"""What a decision is made from, and what it is: a status to write, objects to create and delete, when to look again.

Types only. The order of execution is part of the contract: the status is written first, so that what is about to be
done is known to whoever comes after a crash; then objects are deleted, then created; events come last. Only what a
status says is there already is created before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gopd_api.status import DistillationJobStatus, EvalJobStatus
from gopd_operator.core.cluster.manifests import Context, Manifest
from gopd_operator.core.cluster.seen import Seen
from gopd_operator.core.cluster.training import Target
from gopd_operator.core.comparing import FoundCheckpoint

Status = EvalJobStatus | DistillationJobStatus


@dataclass(frozen=True)
class Look:
    """Everything that a decision is made from."""

    context: Context
    status: Status
    seen: Seen
    now: float
    """Seconds since 1970."""
    found: Mapping[str, tuple[FoundCheckpoint, ...]] = field(default_factory=dict)
    """Students of the DistillationJobs that an EvalJob names."""
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """Of those jobs, the ones that have not ended, each with its phase (`missing` where there is none)."""


@dataclass(frozen=True)
class Event:
    """Something that a person who reads `kubectl describe` should know."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class SuspendPatch:
    """A child of a sweep whose `lifecycle.suspend` follows the sweep's."""

    name: str
    suspend: bool


@dataclass(frozen=True)
class Decision:
    """The outcome of one look at a job."""

    status: Status
    """The whole status as it should be; written only when it is another one than before."""
    before: tuple[Manifest, ...] = ()
    """Objects that are created before the status is written, which stands for their being there."""
    deletes: tuple[Target, ...] = ()
    creates: tuple[Manifest, ...] = ()
    later: tuple[Manifest, ...] = ()
    """Objects that are created after those, and that may wait for what other jobs need first."""
    patches: tuple[SuspendPatch, ...] = ()
    delete_job: bool = False
    """The job itself is past its time to live."""
    again_at: float | None = None
    """Seconds since 1970 of the next look, when nothing happens before."""
