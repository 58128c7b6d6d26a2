"""The client of the API server: a request that is refused as somebody unknown is sent once more, as who we are then."""

import asyncio
from pathlib import Path

import kopf
import pytest
import yaml
from aiohttp import web

from gopd_operator.shell.cluster.api import ApiError, connected
from gopd_operator.shell.cluster.login import Login
from gopd_operator.shell.cluster.resources import JOB


class Server:
    """An API server that believes one token and holds one object."""

    def __init__(self, believed: str) -> None:
        self.believed = f"Bearer {believed}"
        self.heard: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append(request.headers["Authorization"].removeprefix("Bearer "))
        if request.headers["Authorization"] != self.believed:
            return web.json_response({"reason": "Unauthorized", "message": "who are you"}, status=401)
        return web.json_response({"metadata": {"name": "found"}})


def asked(server: Server, target: Path, *written: str) -> str:
    """Log in with the first token, have the last one written down, and ask for an object: its name."""

    async def run() -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            port = runner.addresses[0][1]
            write(target, port, written[0])
            async with connected(Login(kopf.OperatorSettings()), 4) as api:
                write(target, port, written[-1])
                body = await api.get(JOB, "team", "found")
                return str(body["metadata"]["name"]) if body else ""
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def write(target: Path, port: int, token: str) -> None:
    """A kubeconfig with one token."""
    target.write_text(
        yaml.safe_dump(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "me", "user": {"token": token}}],
            }
        )
    )


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def test_a_request_that_is_refused_is_sent_again_with_the_token_that_was_written_since(target: Path) -> None:
    server = Server("second")
    assert asked(server, target, "first", "second") == "found"
    assert server.heard == ["first", "second"]


def test_a_request_that_is_refused_is_an_error_where_nothing_else_is_written_down(target: Path) -> None:
    server = Server("another")
    with pytest.raises(ApiError, match="who are you"):
        asked(server, target, "first")
    assert server.heard == ["first"]
