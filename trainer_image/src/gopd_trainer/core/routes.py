"""Which servers score a sample: its domain's teacher, that teacher's reference, and its reward scale.

The routes travel in verl's configuration, so that each process that needs them has the same ones. A domain without a
teacher is an error that lists the known ones; nothing is routed by default but with a single teacher without domains.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gopd_api.effective import servers
from gopd_api.requests import ScoredTeacher

TEACHER_COLUMN, REFERENCE_COLUMN, REWARD_SCALE_COLUMN, TEACHER_INDEX_COLUMN = range(4)
"""Columns of verl's `teacher_logprobs`, one row a token: two log-probabilities, and two constants of the sample."""
COLUMNS = 4


class UnknownDomainError(ValueError):
    """A sample's domain has no teacher."""


@dataclass(frozen=True)
class Route:
    """How one teacher's samples are scored."""

    index: int
    """Position of the teacher in the request."""
    teacher: str
    """The teacher's name, which is also its server's key."""
    reference: str | None
    """Key of the reference's server; None at reward scale 1."""
    reward_scale: float
    domains: tuple[str, ...]
    """Empty: every domain."""


def routes(teachers: Sequence[ScoredTeacher]) -> list[Route]:
    """One route a teacher, in the request's order."""
    reference_of = {
        name: server.name for server in servers(teachers) if server.role == "reference" for name in server.teachers
    }
    return [
        Route(index, teacher.name, reference_of.get(teacher.name), teacher.reward_scale, tuple(teacher.domains))
        for index, teacher in enumerate(teachers)
    ]


def route_of(known: Sequence[Route], domain: str | None) -> Route:
    """The route of a sample's domain; raises UnknownDomainError."""
    if len(known) == 1 and not known[0].domains:
        return known[0]
    for route in known:
        if domain in route.domains:
            return route
    listed = ", ".join(repr(name) for route in known for name in route.domains)
    raise UnknownDomainError(f"domain {domain!r} has no teacher; list it in spec.teachers[].domains (known: {listed})")
