"""Requests to the API server: one bounded client, errors with Kubernetes' own reasons, no retries of its own.

Where and as whom is `login`'s. A failed request ends the look at a job; the queue brings the job back. One that is
refused as somebody unknown is sent once more, as who we are by then. Limits: JSON only, no watches (kopf has them).
"""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import kopf

from gopd_operator.shell.cluster.login import Login
from gopd_operator.shell.cluster.metrics import REQUESTS
from gopd_operator.shell.cluster.resources import Resource

TIMEOUT_SECONDS = 15.0
PAGE = 200
Body = dict[str, Any]


class ApiError(Exception):
    """The API server refused a request, or did not answer."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after

    @property
    def conflict(self) -> bool:
        """Somebody else wrote first."""
        return self.status == 409 and self.reason != "AlreadyExists"


class Api:
    """The API server, with at most so many requests at the same time."""

    def __init__(self, session: aiohttp.ClientSession, login: Login, at_once: int) -> None:
        self._session, self._login = session, login
        self._places = asyncio.Semaphore(at_once)

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """The object, None when there is none."""
        try:
            return await self._ask("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(
        self, resource: Resource, namespace: str | None, selector: str | None, page: int = PAGE
    ) -> AsyncIterator[Body]:
        """Every object, page by page; pages keep the memory for thousands of objects small."""
        query = {"limit": str(page)} | ({"labelSelector": selector} if selector else {})
        while True:
            answer = await self._ask("GET", resource.path(namespace), query=query)
            for item in answer.get("items") or []:
                # The API server leaves them out of the items of its own kinds.
                yield {"kind": resource.kind, "apiVersion": resource.api, **item}
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(self, resource: Resource, body: Body) -> Body | None:
        """The created object; None when there is one of that name already, which counts as done."""
        try:
            return await self._ask("POST", resource.path(body["metadata"]["namespace"]), body)
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                return None
            raise

    async def replace_status(self, resource: Resource, meta: Body, status: Body) -> Body:
        """The object after its status was replaced; a conflict when it was changed since `meta` was read."""
        named = {name: meta[name] for name in ("namespace", "name", "uid", "resourceVersion")}
        body = {"apiVersion": resource.api, "kind": resource.kind, "metadata": named, "status": status}
        return await self._ask("PUT", resource.path(meta["namespace"], meta["name"], "status"), body)

    async def patch(self, resource: Resource, namespace: str, name: str, patch: Body) -> Body:
        """The object after a merge patch."""
        return await self._ask("PATCH", resource.path(namespace, name), patch)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete the very object, what it owns first; one that is gone, or is another one by now, counts as done."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Foreground"}
        try:
            await self._ask("DELETE", resource.path(namespace, name), options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def _ask(
        self, method: str, path: str, body: Body | None = None, query: Mapping[str, str] | None = None
    ) -> Body:
        said_to_be = self._login.now()
        try:
            return await self._ask_as(said_to_be, method, path, body, query)
        except ApiError as error:
            if error.status != 401:
                raise
            anew = await asyncio.to_thread(self._login.renewed, said_to_be)
            if anew is said_to_be:
                raise
            return await self._ask_as(anew, method, path, body, query)

    async def _ask_as(
        self,
        who: kopf.ConnectionInfo,
        method: str,
        path: str,
        body: Body | None,
        query: Mapping[str, str] | None,
    ) -> Body:
        headers = {"Accept": "application/json", **who.as_http_headers()}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        url = who.server.rstrip("/") + path
        try:
            async with (
                self._places,
                self._session.request(method, url, json=body, params=query, headers=headers) as answer,
            ):
                found: Any = await answer.json(content_type=None)
                code, wait = answer.status, answer.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            REQUESTS.labels(method, "none").inc()
            raise ApiError(0, "Unreachable", f"{method} {path}: {str(error) or type(error).__name__}") from error
        REQUESTS.labels(method, str(code)).inc()
        if code < 400 and isinstance(found, dict):
            return found
        said = found if isinstance(found, dict) else {}
        seconds = float(wait) if wait and wait.replace(".", "", 1).isdigit() else None
        raise ApiError(code, said.get("reason") or "", f"{method} {path}: {said.get('message') or code}", seconds)


@asynccontextmanager
async def connected(login: Login, at_once: int) -> AsyncIterator[Api]:
    """A client for the API server that `login` names."""
    who = login.now()
    connector = aiohttp.TCPConnector(ssl=_tls(who), limit=at_once)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=who.trust_env) as session:
        yield Api(session, login, at_once)


def _tls(who: kopf.ConnectionInfo) -> ssl.SSLContext | bool:
    if who.server.startswith("http://"):
        return True
    if who.insecure:
        return False
    data = who.ca_data
    text = base64.b64decode(data).decode() if data else None
    context = ssl.create_default_context(cafile=str(who.ca_path) if who.ca_path else None, cadata=text)
    if who.certificate_path or who.certificate_data:
        with (
            _file(who.certificate_path, who.certificate_data) as certificate,
            _file(who.private_key_path, who.private_key_data) as key,
        ):
            context.load_cert_chain(certificate, key)
    return context


@contextmanager
def _file(path: object, data: str | bytes | None) -> Iterator[str]:
    """A file with what is given as a path or as base64 data: Python reads certificates from files only."""
    if path:
        yield str(path)
        return
    with tempfile.NamedTemporaryFile(suffix=".pem") as held:
        held.write(base64.b64decode(data or b""))
        held.flush()
        yield held.name
