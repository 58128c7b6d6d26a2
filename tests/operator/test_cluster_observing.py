"""What a look reads past the watches before an end is judged, and when it does not."""

import asyncio
from typing import Any, cast

import pytest
from tests.operator.cluster_world import World, tiny_job

from gopd_api.endings import published_progress, published_report
from gopd_operator.core.cluster.deciding import decide
from gopd_operator.core.cluster.decision import Look
from gopd_operator.core.cluster.names import Key, access_name
from gopd_operator.shell.cluster.api import Api
from gopd_operator.shell.cluster.cache import Cache
from gopd_operator.shell.cluster.observing import Observer
from gopd_operator.shell.cluster.resources import CONFIG_MAP, DISTILLATION_JOB, RAY_JOB, Resource

KEY = Key("DistillationJob", "default", "tiny")
Body = dict[str, Any]


class StandIn:
    """An API server that has one ConfigMap, and counts how often it is asked for it."""

    def __init__(self, progress: Body) -> None:
        self.progress, self.asked = progress, 0

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        assert (resource, name) == (CONFIG_MAP, self.progress["metadata"]["name"])
        self.asked += 1
        return self.progress

    async def list(self, *_: Any) -> Any:
        nothing: list[Body] = []
        for body in nothing:
            yield body


@pytest.fixture
def world() -> World:
    """A training that has ended well, with its report in its ConfigMap."""
    world = World(tiny_job())
    world.start()
    world.trains(10, saved=(5, 10), phase="finished")
    world.reports("succeeded")
    world.kuberay("Complete", "SUCCEEDED")
    world.now += 120
    return world


def look(world: World, *, reported: bool) -> tuple[Look, StandIn]:
    """A look by an operator whose watch has brought everything, but perhaps not the report."""
    uid = str(world.job.metadata.uid)
    name = access_name("tiny", uid)
    (made,) = [body for body in world.of("ConfigMap") if body["metadata"]["name"] == name]
    made = {"kind": "ConfigMap", **made, "metadata": {**made["metadata"], "resourceVersion": "5"}}
    assert world.progress is not None and world.report is not None
    progress = published_progress(world.progress)
    fresh = {**made, "data": {"progress": progress, "report": published_report(world.report)}}
    known = {**made, "metadata": {**made["metadata"], "resourceVersion": "4"}, "data": {"progress": progress}}
    job = world.job.model_dump(mode="json", by_alias=True, exclude_none=True)
    job["status"] = world.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    job["metadata"]["resourceVersion"] = "3"
    rayjob = {"kind": "RayJob", **world.rayjob}
    rayjob["metadata"] = {**rayjob["metadata"], "resourceVersion": "2"}
    cache, server = Cache(), StandIn(fresh)
    cache.take(DISTILLATION_JOB, job)
    cache.take(RAY_JOB, rayjob)
    cache.take(CONFIG_MAP, fresh if reported else known)
    observer = Observer(cast(Api, server), cache, world.settings)
    made_look = asyncio.run(observer.look(KEY))
    assert made_look is not None
    return made_look[0], server


def test_a_report_that_the_watch_has_not_brought_is_read_before_the_attempt_is_judged(world: World) -> None:
    seen, server = look(world, reported=False)
    assert server.asked == 1
    status: Any = decide(seen).status
    assert (status.attempts[0].failure, status.attempts[0].reason) == (None, "Completed")


def test_a_failed_training_is_judged_by_the_report_that_the_watch_has_not_brought(world: World) -> None:
    world.reports("failed", "InvalidInput", "data.train: no prompts; name another file")
    world.kuberay("Failed", "FAILED", reason="AppFailed")
    seen, _ = look(world, reported=False)
    status: Any = decide(seen).status
    assert (status.attempts[0].reason, status.attempts[0].final) == ("InvalidInput", True)


def test_a_report_that_is_known_is_not_asked_for(world: World) -> None:
    assert look(world, reported=True)[1].asked == 0


def test_a_report_is_not_asked_for_while_the_training_runs_or_once_it_was_judged(world: World) -> None:
    world.rayjob["status"]["jobDeploymentStatus"] = "Running"
    assert look(world, reported=False)[1].asked == 0
    world.rayjob["status"]["jobDeploymentStatus"] = "Complete"
    world.act()
    assert world.attempts[0].ended
    assert look(world, reported=False)[1].asked == 0
