"""What the operator adds of its own, over all jobs of this run: seconds that it takes between two steps of others."""

from collections.abc import Callable
from statistics import median

import pytest
from tests.cluster.api import DISTILLATION_JOBS, JOBS, RAY_JOBS
from tests.e2e.cluster.timeline import Timeline, condition

OWN_SECONDS = 3.0
"""How long one step of the operator's own may take, at the median; a busy machine of two cores takes longer."""
DISTURBED = ("undisturbed",)
"""Jobs during which the operator itself is taken away."""


def measured(timeline: Timeline) -> dict[str, list[float]]:
    """Seconds between something that the operator waited for and what it did then, of each job that had both."""
    jobs = [key for key in timeline.jobs() if key[1] not in DISTURBED]
    found: dict[str, list[float]] = {
        "applied -> inspection created": [],
        "inspected -> RayJob created": [],
        "RayJob finished -> evaluation created": [],
        "last report -> Succeeded": [],
    }
    for namespace, name in jobs:
        look = timeline.of(namespace, name)
        applied = look(DISTILLATION_JOBS, lambda one: True)
        looked = look(JOBS, lambda one: "-inspect" in one["metadata"]["name"])
        inspected = look(JOBS, lambda one: "-inspect" in one["metadata"]["name"] and condition(one, "Complete"))
        begun = look(RAY_JOBS, lambda one: one["metadata"]["name"].endswith("-a1"))
        trained = look(RAY_JOBS, lambda one: one.get("status", {}).get("jobStatus") == "SUCCEEDED")
        measuring = look(JOBS, lambda one: one["metadata"]["name"].endswith("end-gen"))
        compared = look(JOBS, lambda one: one["metadata"]["name"].endswith("-cmp") and condition(one, "Complete"))
        ended = look(DISTILLATION_JOBS, lambda one: one.get("status", {}).get("phase") == "Succeeded")
        pairs = ((applied, looked), (inspected, begun), (trained, measuring), (compared or trained, ended))
        for what, (begin, end) in zip(found, pairs, strict=True):
            if begin is not None and end is not None:
                found[what].append(max(0.0, end - begin))
    return found


def test_the_operator_adds_little_of_its_own(timeline: Timeline, tell: Callable[[str], None]) -> None:
    overheads = measured(timeline)
    if not any(overheads.values()):
        pytest.skip("no job has run before this test in this run")
    for what, seconds in overheads.items():
        if seconds:
            listed = ", ".join(f"{one:.2f}" for one in sorted(seconds))
            tell(f"{what}: median {median(seconds):.2f} s of {len(seconds)} ({listed})")
    whole = [end - begin for begin, end in timeline.lasted() if end is not None]
    if whole:
        share = sum(median(seconds) for seconds in overheads.values() if seconds) / median(whole)
        tell(f"the operator's share of a job's {median(whole):.0f} s: {share:.1%}")
    slow = {what: round(median(seconds), 2) for what, seconds in overheads.items() if seconds}
    assert all(seconds < OWN_SECONDS for seconds in slow.values()), slow
