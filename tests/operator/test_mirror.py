"""The mirror into MLflow: what runs are told, and servers that are gone, hang, refuse or talk nonsense."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from tests.operator.mirror_stage import beside, body, free_port, pretending, shorten_waits, until

from gopd_operator.core.cluster.mirroring import RunEnd, run_end
from gopd_operator.shell.cluster import mirror as mirroring
from gopd_operator.shell.cluster.mirror import Mirror
from gopd_operator.shell.cluster.mlflow import TIMEOUT_SECONDS, credentials

LONG_AGO = "2020-01-01T00:00:00Z"
URI = "http://mlflow:5000"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_waits(monkeypatch)


def said(job: dict[str, Any], installed: str | None, deleted: bool = False) -> str | None:
    found = run_end(job, installed, datetime.now(UTC).timestamp(), deleted=deleted)
    return found.status if found else None


@pytest.mark.parametrize(
    ("phase", "deleted", "expected"),
    [
        ("Failed", False, "FAILED"),
        ("Suspended", False, "KILLED"),
        ("Training", True, "KILLED"),
        ("Suspended", True, "KILLED"),
        ("Training", False, None),
        ("Pending", False, None),
        ("Succeeded", False, "FINISHED"),
        ("Succeeded", True, None),
        ("Failed", True, None),
    ],
)
def test_what_a_run_is_told(phase: str, deleted: bool, expected: str | None) -> None:
    assert said(body(phase), URI, deleted=deleted) == expected


@pytest.mark.parametrize(
    ("phase", "deleted", "left"),
    [
        ("Suspended", False, {"KILLED", "FINISHED", "FAILED"}),
        ("Training", True, {"KILLED", "FINISHED"}),
        ("Succeeded", False, {"FINISHED"}),
        ("Failed", False, {"FAILED"}),
    ],
)
def test_an_end_that_the_training_wrote_is_kept_unless_it_is_the_deletions_own_doing(
    phase: str, deleted: bool, left: set[str]
) -> None:
    wanted = run_end(body(phase), URI, datetime.now(UTC).timestamp(), deleted=deleted)
    assert wanted is not None
    assert {one for one in ("RUNNING", "KILLED", "FINISHED", "FAILED") if wanted.stands(one)} == left


def test_a_job_without_a_run_or_with_another_mlflow_is_left_alone() -> None:
    elsewhere = {"tracking": {"uri": "http://elsewhere"}}
    assert said(body("Failed", run=None), URI) is None
    assert said(body("Failed", spec=elsewhere), URI) is None
    assert said(body("Failed"), None) is None
    assert said(body("Failed", spec={"tracking": {"uri": URI}}), URI) == "FAILED"


def test_what_ended_long_ago_is_not_told_again_by_an_operator_that_starts() -> None:
    assert said(body("Failed", status={"finished": LONG_AGO}), URI) is None
    assert said(body("Suspended", status={"conditions": [{"lastTransitionTime": LONG_AGO}]}), URI) is None


def test_tags_hold_attempts_gpu_seconds_and_phase() -> None:
    found = run_end(body("Failed"), URI, datetime.now(UTC).timestamp())
    assert found is not None
    assert dict(found.tags) == {"gopd.attempts": "2", "gopd.gpuSeconds": "7200.5", "gopd.phase": "Failed"}


def test_credentials_are_those_of_mlflows_own_clients() -> None:
    assert credentials({}) == {}
    assert credentials({"MLFLOW_TRACKING_TOKEN": "t"}) == {"Authorization": "Bearer t"}
    both = {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p", "MLFLOW_TRACKING_TOKEN": "t"}
    assert credentials(both) == {"Authorization": "Basic dTpw"}


# ---- bad servers


def test_waits_double_up_to_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            raise asyncio.CancelledError

    monkeypatch.setattr("gopd_operator.shell.cluster.mirror.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Mirror(f"http://127.0.0.1:{free_port()}").work())
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.usefixtures("quick")
def test_an_answer_that_hangs_is_given_up_and_the_run_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TIMEOUT_SECONDS == 5
    monkeypatch.setattr("gopd_operator.shell.cluster.mirror.TIMEOUT_SECONDS", 0.2)

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(2)
        return web.Response()

    async def scenario(mirror: Mirror) -> None:
        mirror.news(body("Failed"))
        await until(lambda: mirror._failures >= 2, 5)
        assert len(mirror) == 1

    async def run() -> None:
        async with pretending(hang) as uri:
            await beside(uri, scenario)

    asyncio.run(run())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("status", "kept"), [(400, 0), (403, 0), (404, 0), (401, 1), (429, 1), (500, 1), (302, 1)])
def test_what_is_about_the_run_is_given_up_and_what_is_about_the_server_is_waited_for(status: int, kept: int) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, text="no")

    async def scenario(mirror: Mirror) -> None:
        mirror.news(body("Failed"))
        await until(lambda: len([path for path in asked if "runs/get" in path]) > kept, 5)
        await asyncio.sleep(0.1)
        assert len(mirror) == kept

    async def run() -> None:
        async with pretending(refuse) as uri:
            await beside(uri, scenario)

    asyncio.run(run())


@pytest.mark.usefixtures("quick")
def test_an_answer_of_no_known_form_does_not_end_the_mirror() -> None:
    asked = 0

    async def strange(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response({"run": {"data": {"tags": [1, 2]}}})

    async def scenario(mirror: Mirror) -> None:
        mirror.news(body("Failed"))
        await until(lambda: asked >= 2, 5)

    async def run() -> None:
        async with pretending(strange) as uri:
            await beside(uri, scenario)

    asyncio.run(run())


def test_the_queue_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "MOST_QUEUED", 3)

    async def fill() -> list[RunEnd]:
        mirror = Mirror(URI)
        for number in range(5):
            mirror.news(body("Failed", uid=f"uid-{number}"))
        return list(mirror._queued.values())

    assert [one.uid for one in asyncio.run(fill())] == ["uid-2", "uid-3", "uid-4"]


def test_nothing_is_asked_without_an_address() -> None:
    async def run() -> None:
        for uri in (None, "sqlite:///runs/mlflow.db"):
            mirror = Mirror(uri)
            mirror.news(body("Failed"))
            assert len(mirror) == 0
            await asyncio.wait_for(mirror.work(), 1)

    asyncio.run(run())
