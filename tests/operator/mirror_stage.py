"""What the tests of the mirror share: jobs as a watch gives them, a mirror beside a test, strange servers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from gopd_operator.shell.cluster import mirror as mirroring
from gopd_operator.shell.cluster.metrics import REGISTRY
from gopd_operator.shell.cluster.mirror import Mirror

NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def body(phase: str, run: str | None = "run-1", uid: str = "uid-1", **more: Any) -> dict[str, Any]:
    """A DistillationJob as a watch gives it, after two attempts."""
    status = {
        "phase": phase,
        "attempts": [{"number": 1}, {"number": 2}],
        "resources": {"gpuSeconds": 7200.5},
        **({"mlflow": {"runId": run}} if run else {}),
        **({"finished": NOW} if phase in ("Failed", "Succeeded") else {}),
        **more.pop("status", {}),
    }
    spec = more.pop("spec", {})
    return {"metadata": {"name": "exopd", "namespace": "team", "uid": uid}, "spec": spec, "status": status}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


Scenario = Callable[[Mirror], Coroutine[Any, Any, None]]


async def beside(uri: str, scenario: Scenario) -> None:
    """The scenario beside a working mirror, which must survive it."""
    mirror = Mirror(uri)
    working = asyncio.create_task(mirror.work())
    await scenario(mirror)
    assert not working.done()
    working.cancel()


def shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a mirror wait shortly only."""
    monkeypatch.setattr(mirroring, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(mirroring, "LONGEST_WAIT", 0.2)


async def until(what: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


def up() -> float | None:
    return REGISTRY.get_sample_value("gopd_mlflow_up")


@asynccontextmanager
async def pretending(answer: Callable[[web.Request], Coroutine[Any, Any, web.Response]]) -> AsyncIterator[str]:
    """A server on loopback that answers everything in one way."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
