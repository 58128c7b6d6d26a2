"""The operator's mirror against the real `mlflow server` of these tests, there from the start or late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.operator.mirror_stage import beside, body, free_port, shorten_waits, until, up
from tests.tracking.servers import Server

from gopd_operator.shell.cluster.mirror import Mirror
from gopd_tracking.connection import connect


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_waits(monkeypatch)


def run_of(client: Any, uid: str = "uid-1") -> str:
    return str(client.create_run("0", tags={"gopd.job.uid": uid}).info.run_id)


def told(uri: str, *jobs: dict[str, Any], deleted: bool = False) -> None:
    """Have the mirror hear of jobs and do what it does."""

    async def scenario(mirror: Mirror) -> None:
        for job in jobs:
            mirror.news(job, deleted=deleted)
        await until(lambda: not len(mirror))

    asyncio.run(beside(uri, scenario))


@pytest.mark.parametrize(
    ("phase", "deleted", "status"),
    [("Failed", False, "FAILED"), ("Training", True, "KILLED"), ("Succeeded", False, "FINISHED")],
)
def test_a_real_run_is_ended_and_tagged(server: Server, phase: str, deleted: bool, status: str) -> None:
    client = connect(server.uri)
    run = run_of(client)
    told(server.uri, body(phase, run), deleted=deleted)
    found = client.get_run(run)
    assert found.info.status == status
    assert found.info.end_time
    assert found.data.tags["gopd.phase"] == ("Deleted" if deleted else phase)
    assert found.data.tags["gopd.gpuSeconds"] == "7200.5"
    assert up() == 1


def test_an_end_that_the_training_wrote_is_kept_when_the_job_is_only_suspended(server: Server) -> None:
    client = connect(server.uri)
    run = run_of(client)
    client.set_terminated(run, "FINISHED")
    told(server.uri, body("Suspended", run))
    assert client.get_run(run).info.status == "FINISHED"


def test_runs_that_are_anothers_or_not_there_are_left_and_said_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(server.uri)
    run = run_of(client, uid="somebody-else")

    async def scenario(mirror: Mirror) -> None:
        for _ in range(3):
            mirror.news(body("Failed", run))
            mirror.news(body("Failed", "0" * 32, uid="uid-2"))
            await until(lambda: not len(mirror))

    asyncio.run(beside(server.uri, scenario))
    assert client.get_run(run).info.status == "RUNNING"
    warnings = [one.getMessage() for one in caplog.records if one.name == "gopd.operator"]
    assert len(warnings) == 2, warnings
    assert "does not name this job" in warnings[0]
    assert "is left as it is: 404" in warnings[1]


@asynccontextmanager
async def forwarding(port: int, server: Server) -> AsyncIterator[None]:
    """The server on another port, too."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, ours), pump(theirs, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", port):
        yield


@pytest.mark.usefixtures("quick")
def test_a_server_that_comes_late_is_told_what_is_still_true(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Gone for long, many news meanwhile: the newest of each job is what arrives."""
    caplog.set_level("INFO", "gopd.operator")
    client, port = connect(server.uri), free_port()
    failed, resumed = run_of(client), run_of(client, uid="uid-2")

    async def scenario(mirror: Mirror) -> None:
        mirror.news(body("Suspended", failed))
        mirror.news(body("Suspended", resumed, uid="uid-2"))
        await until(lambda: mirror._failures > 3)
        assert up() == 0
        mirror.news(body("Failed", failed))
        mirror.news(body("Training", resumed, uid="uid-2"))
        assert len(mirror) == 1
        async with forwarding(port, server):
            await until(lambda: not len(mirror))
            await until(lambda: up() == 1)

    asyncio.run(beside(f"http://127.0.0.1:{port}", scenario))
    assert client.get_run(failed).info.status == "FAILED"
    assert client.get_run(resumed).info.status == "RUNNING"
    said = [one.getMessage() for one in caplog.records if one.name == "gopd.operator"]
    assert [("is not there" in words, "answers again" in words) for words in said] == [(True, False), (False, True)]
