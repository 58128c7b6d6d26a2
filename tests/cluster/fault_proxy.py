"""An HTTPS proxy between a client and the API server that keeps a log of writes and lets faults happen on command.

Decides how a fault looks to the client; which request meets one, `fault_rules` decides. It runs in a thread of its own,
passes every client's bearer token on, and streams watches.
"""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_rules import (
    MUTATING,
    Answer,
    Hang,
    Kill,
    Match,
    Request,
    Rule,
    Rules,
    any_request,
    status_body,
)

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "upgrade", "host", "te", "trailer"}
OWN = ("Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add where a client sent none: a compressed answer would surprise it."""


@dataclass(frozen=True)
class Write:
    """A mutating request that passed or was answered here. Status 0: the client got no answer."""

    method: str
    path: str
    name: str
    query: str
    status: int
    forwarded: bool
    agent: str


class FaultProxy:
    """Use it as a context. Every method may be called from any thread while it runs."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.log: list[Write] = []
        self.asked: set[tuple[str, str, bool]] = set()
        """Every request that came, reads too: method, path, whether it watches."""
        self.rules = Rules()
        self.server = ""
        self._watches: set[_Watch] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # ---- getting in

    def kubeconfig(self, token: str, target: Path) -> Path:
        return self.control_plane.kubeconfig(token, target, self.server)

    def account_kubeconfig(self, namespace: str, account: str) -> Path:
        """A ServiceAccount's kubeconfig that leads through the proxy."""
        return self.control_plane.account_kubeconfig(namespace, account, self.server)

    # ---- faults

    def kill(self, pid: int, nth: int = 1, *, after: bool = False, match: Match = any_request) -> Kill:
        """SIGKILL to a process at its nth matching write from now on; its `happened` is set then.

        Right before the request is forwarded, or right `after` the API server has answered and before the client hears.
        """
        return self.rules.add(Kill(match, nth, pid=pid, after=after))

    def answer(
        self,
        status: int,
        times: int = 1,
        *,
        nth: int = 1,
        match: Match = any_request,
        retry_after: int = 1,
        reads: bool = False,
    ) -> Answer:
        """Answer matching writes here, `times` times from the nth on; `reads` matches reads and watches too."""
        return self.rules.add(Answer(match, nth, times, reads, status=status, retry_after=retry_after))

    def hang(
        self, times: int = 1, *, nth: int = 1, match: Match = any_request, forwarded: bool = False, reads: bool = False
    ) -> Hang:
        """Never answer matching requests; `forwarded`: the API server got them nevertheless."""
        return self.rules.add(Hang(match, nth, times, reads, forwarded=forwarded))

    def forget(self) -> None:
        """Drop every rule; what is paused stays so."""
        self.rules.clear()

    def cut_watches(self) -> int:
        """Break all connections that watch; how many there were."""
        return self._await(self._cut())

    def expire_watches(self) -> int:
        """Tell all watches that their version is too old (410 in the stream), then end them."""
        return self._await(self._expire())

    def pause(self) -> None:
        """Let nothing pass in either direction; connections stay."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def resume(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()

    # ---- inside the thread

    def _await(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    async def _start(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        folder = self.control_plane.folder
        trust = ssl.create_default_context(cafile=str(self.control_plane.authority))
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        self._upstream = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        own.load_cert_chain(folder / "server.crt", folder / "server.key")
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=own).start()
        self.server = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        self._open.set()
        await self._cut()
        await self._runner.cleanup()
        await self._upstream.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _cut(self) -> int:
        watches = list(self._watches)
        for watch in watches:
            watch.abort()
        return len(watches)

    async def _expire(self) -> int:
        watches = list(self._watches)
        event = json.dumps({"type": "ERROR", "object": json.loads(status_body(410, "too old resource version"))})
        for watch in watches:
            with contextlib.suppress(ConnectionError):
                await watch.response.write(event.encode() + b"\n")
            watch.abort()
        return len(watches)

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        request = Request(incoming.method, incoming.path, incoming.query_string, await incoming.read())
        self.asked.add((request.method, request.path, request.is_watch))
        await self._open.wait()
        rule = self.rules.met_by(request)
        if isinstance(rule, Kill) and not rule.after:
            self._note(incoming, request, 0, forwarded=False)
            return self._kill(incoming, rule)
        if isinstance(rule, Answer):
            self._note(incoming, request, rule.status, forwarded=False)
            headers = {"Retry-After": str(rule.retry_after)} if rule.status == 429 else {}
            return web.Response(
                status=rule.status, body=status_body(rule.status), content_type="application/json", headers=headers
            )
        if isinstance(rule, Hang) and not rule.forwarded:
            self._note(incoming, request, 0, forwarded=False)
            return await self._hang(incoming)
        try:
            return await self._forward(incoming, request, rule)
        except aiohttp.ClientError:
            # The API server is away: the client sees its connection break, as it would without a proxy.
            return _abort(incoming)

    async def _forward(self, incoming: web.Request, request: Request, rule: Rule | None) -> web.StreamResponse:
        headers = {name: value for name, value in incoming.headers.items() if name.lower() not in HOP_BY_HOP}
        target = self.control_plane.server + str(incoming.rel_url)
        async with self._upstream.request(
            incoming.method,
            target,
            data=request.body or None,
            headers=headers,
            skip_auto_headers=OWN,
            allow_redirects=False,
        ) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            if request.is_watch and answer.status == 200:
                return await self._stream(incoming, answer, kept)
            body = await answer.read()
        silent = isinstance(rule, Kill | Hang)
        self._note(incoming, request, 0 if silent else answer.status, forwarded=True)
        if isinstance(rule, Kill):
            return self._kill(incoming, rule)
        if isinstance(rule, Hang):
            return await self._hang(incoming)
        await self._open.wait()
        response = web.Response(status=answer.status, body=body)
        # Not through the constructor: it would add a content type of its own.
        response.headers.clear()
        response.headers.extend(kept)
        return response

    async def _stream(
        self, incoming: web.Request, answer: aiohttp.ClientResponse, headers: list[tuple[str, str]]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status)
        response.headers.extend(headers)
        await response.prepare(incoming)
        watch = _Watch(incoming, response)
        self._watches.add(watch)
        try:
            async for block in answer.content.iter_any():
                await self._open.wait()
                await response.write(block)
        except ConnectionError:
            pass
        except aiohttp.ClientError:
            watch.abort()
        finally:
            self._watches.discard(watch)
        return response

    def _kill(self, incoming: web.Request, rule: Kill) -> web.StreamResponse:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rule.pid, signal.SIGKILL)
        rule.happened.set()
        return _abort(incoming)

    async def _hang(self, incoming: web.Request) -> web.StreamResponse:
        """Until the client gives up, or the proxy stops."""
        while incoming.transport is not None and not incoming.transport.is_closing():
            await asyncio.sleep(0.1)
        return _abort(incoming)

    def _note(self, incoming: web.Request, request: Request, status: int, *, forwarded: bool) -> None:
        if request.method in MUTATING and not request.is_question:
            agent = incoming.headers.get("User-Agent", "")
            self.log.append(Write(request.method, request.path, request.name, request.query, status, forwarded, agent))


class _Watch:
    """A connection that watches."""

    def __init__(self, incoming: web.Request, response: web.StreamResponse) -> None:
        self.incoming, self.response = incoming, response

    def abort(self) -> None:
        if self.incoming.transport is not None:
            self.incoming.transport.abort()


def _abort(incoming: web.Request) -> web.StreamResponse:
    """Break the connection without an answer."""
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response(status=502)
