"""What the operator adds of its own, over all jobs of this run: seconds that it takes between two steps of others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import pytest
from tests.cluster.api import DISTILLATION_JOBS, JOBS, RAY_JOBS, Document
from tests.e2e.cluster.installation import Installation, short_job
from tests.e2e.cluster.observing import Followed
from tests.e2e.cluster.timeline import Timeline, condition

pytestmark = pytest.mark.timeout(600)
OWN_SECONDS = 3.0
"""How long one step of the operator's own may take, at the median; a busy machine of two cores takes longer."""
DISTURBED = ("undisturbed",)
"""Jobs during which the operator itself is taken away."""
UNSEEN = 5
"""Jobs that are applied without an inspection: nothing but the operator stands between them and their RayJobs."""
LEGS = (
    ("applied", "looked", "applied -> inspection created"),
    ("inspected", "begun", "inspected -> RayJob created"),
    ("trained", "measuring", "RayJob finished -> evaluation created"),
    ("reported", "ended", "last report -> Succeeded"),
)


@dataclass(frozen=True)
class Moments:
    """Seconds (monotonic) at which something of a job was first seen; None for what was not."""

    applied: float | None
    looked: float | None
    inspected: float | None
    begun: float | None
    trained: float | None
    measuring: float | None
    reported: float | None
    ended: float | None

    def between(self, begin: str, end: str) -> float | None:
        """From one moment to another, 0 where the second came first: what was foreseen is not waited for."""
        first, last = getattr(self, begin), getattr(self, end)
        return None if first is None or last is None else max(0.0, last - first)


def moments(timeline: Timeline, namespace: str, name: str) -> Moments:
    look = timeline.of(namespace, name)

    def inspects(one: Document) -> bool:
        return "-inspect" in one["metadata"]["name"]

    trained = look(RAY_JOBS, lambda one: one.get("status", {}).get("jobStatus") == "SUCCEEDED")
    compared = look(JOBS, lambda one: one["metadata"]["name"].endswith("-cmp") and condition(one, "Complete"))
    return Moments(
        applied=look(DISTILLATION_JOBS, lambda one: True),
        looked=look(JOBS, inspects),
        inspected=look(JOBS, lambda one: inspects(one) and condition(one, "Complete")),
        begun=look(RAY_JOBS, lambda one: one["metadata"]["name"].endswith("-a1")),
        trained=trained,
        measuring=look(JOBS, lambda one: one["metadata"]["name"].endswith("end-gen")),
        reported=compared or trained,
        ended=look(DISTILLATION_JOBS, lambda one: one.get("status", {}).get("phase") == "Succeeded"),
    )


def told(what: str, seconds: list[float]) -> str:
    listed = ", ".join(f"{one:.2f}" for one in sorted(seconds))
    return f"{what}: median {median(seconds):.2f} s of {len(seconds)} ({listed})"


def test_the_operator_adds_little_of_its_own(timeline: Timeline, tell: Callable[[str], None]) -> None:
    seen = [moments(timeline, *key) for key in timeline.jobs() if key[1] not in DISTURBED]
    if not any(one.ended for one in seen):
        pytest.skip("no job has run to its end before this test in this run")
    medians = {}
    for begin, end, what in LEGS:
        seconds = [took for one in seen if (took := one.between(begin, end)) is not None]
        assert seconds, f"no job of this run shows {what}"
        tell(told(what, seconds))
        medians[what] = median(seconds)
    whole = [took for one in seen if (took := one.between("applied", "begun")) is not None]
    tell(told("applied -> RayJob created, the inspection's pod included", whole))
    shares = [
        sum(one.between(begin, end) or 0.0 for begin, end, _ in LEGS) / one.between("applied", "ended")  # type: ignore[operator]
        for one in seen
        if one.ended is not None
    ]
    tell(f"the operator's share of a job's time: median {median(shares):.2%} of {len(shares)} (most {max(shares):.2%})")
    assert all(seconds < OWN_SECONDS for seconds in medians.values()), medians


@pytest.fixture
def uninspected(installation: Installation) -> Iterator[None]:
    """gopd as installed where inputs are not looked at first."""
    installation.install("--set", "settings.inspect=false")
    yield
    installation.install()


@pytest.mark.usefixtures("uninspected")
def test_a_job_that_is_applied_has_its_rayjob_at_once(
    installation: Installation, team: str, timeline: Timeline, tell: Callable[[str], None]
) -> None:
    seconds = []
    for number in range(UNSEEN):
        job = short_job(f"unseen-{number}")
        installation.apply(team, job)
        followed = Followed(installation, team, job["metadata"]["name"])
        followed.wait("RayJob", lambda one=followed: moments(timeline, team, one.name).begun is not None, 60)  # type: ignore[misc]
        took = moments(timeline, team, followed.name).between("applied", "begun")
        assert took is not None
        seconds.append(took)
        installation.remove(team, job)
    tell(told("applied -> RayJob created, without an inspection", seconds))
    assert median(seconds) < OWN_SECONDS, seconds
