"""What a job gets at once and what can wait, while other jobs have had nothing yet; and when it is looked at again.

Two things are urgent: that a job is answered, and that its training gets its RayJob, which is what queues for machines.
Permissions and measurements beside it, what is written down of what was created, and events are not. Pure; how it is
kept to is the shell's: the queue takes calm looks last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gopd_operator.core.cluster.decision import Decision
from gopd_operator.core.cluster.manifests import Manifest

BACKLOG = 64
"""With more jobs than this without an answer, each gets its first answer before any gets objects: thousands that are
there before the operator are told within seconds that they were seen. With fewer, a second turn costs more."""
CREATED_SECONDS = 10.0
"""What was created is written down with the first news of it, or after so long when there is none."""
WRITTEN_SECONDS = 0.2
"""What follows from a status that was just written is decided after so long, without any news."""

Extent = Literal["nothing", "answer", "urgent", "all"]
"""Nothing yet; the status only; the status and what is urgent; everything."""


@dataclass(frozen=True)
class Crowd:
    """The other jobs that wait."""

    unanswered: int = 0
    """Other jobs that have no status yet."""
    pressed: bool = False
    """Whether another job that somebody waits for is being looked at, or should be."""
    calm: bool = False
    """Whether this look came when its turn among the calm ones was: it is not put off again."""


def extent(decision: Decision, crowd: Crowd, *, first: bool) -> Extent:
    """How much of a decision is carried out in this turn; `first`: the job has no status yet."""
    others = crowd.pressed or crowd.unanswered > 0
    if first and crowd.unanswered > BACKLOG:
        return "answer"
    if decision.before and others and not crowd.calm:
        return "nothing"
    return "urgent" if decision.later and others else "all"


def next_look(decision: Decision, now: float, *, written: bool) -> float | None:
    """Seconds until the next look at a job that was carried out whole; None when only news should bring it back."""
    waits = [CREATED_SECONDS] if decision.creates or decision.later else [WRITTEN_SECONDS] if written else []
    if decision.again_at is not None:
        waits.append(max(0.1, decision.again_at - now))
    return min(waits, default=None)


_NEEDS_NOTHING = frozenset({"ConfigMap", "ServiceAccount", "Role"})


def waves(manifests: Sequence[Manifest]) -> Iterator[list[Manifest]]:
    """What can be created side by side, wave after wave: what starts pods comes after all that its pods need, and a
    RoleBinding after its Role, without which the API server refuses it.
    """
    first = [one for one in manifests if one["kind"] in _NEEDS_NOTHING]
    bindings = [one for one in manifests if one["kind"] == "RoleBinding"]
    rest = [one for one in manifests if one not in first and one not in bindings]
    yield from (wave for wave in (first, bindings, *([one] for one in rest)) if wave)
