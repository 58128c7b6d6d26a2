"""Requests to the API server: one bounded client, errors with Kubernetes' own reasons, no retries of its own.

Where and as whom is what kopf's own login finds: a service account in a pod, a kubeconfig elsewhere. A failed request
ends the look at a job; the queue brings the job back. Limits: JSON only, no watches (kopf has them).
"""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import kopf

from gopd_operator.shell.cluster.metrics import REQUESTS
from gopd_operator.shell.cluster.resources import Resource

TIMEOUT_SECONDS = 15.0
PAGE = 200
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
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

    def __init__(self, session: aiohttp.ClientSession, login: kopf.ConnectionInfo, at_once: int) -> None:
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
        headers = {"Accept": "application/json", **self._credentials()}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        url = self._login.server.rstrip("/") + path
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

    def _credentials(self) -> dict[str, str]:
        # In a pod the token is renewed on disk: it is read anew, the file is small and cached by the system.
        if self._login.server == "https://kubernetes.default.svc" and TOKEN.exists():
            return {"Authorization": f"Bearer {TOKEN.read_text(encoding='utf-8').strip()}"}
        return self._login.as_http_headers()


@asynccontextmanager
async def connected(login: kopf.ConnectionInfo, at_once: int) -> AsyncIterator[Api]:
    """A client for the API server that `login` names."""
    connector = aiohttp.TCPConnector(ssl=_tls(login), limit=at_once)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=login.trust_env) as session:
        yield Api(session, login, at_once)


def _tls(login: kopf.ConnectionInfo) -> ssl.SSLContext | bool:
    if login.server.startswith("http://"):
        return True
    if login.insecure:
        return False
    data = login.ca_data
    text = base64.b64decode(data).decode() if data else None
    context = ssl.create_default_context(cafile=str(login.ca_path) if login.ca_path else None, cadata=text)
    if login.certificate_path or login.certificate_data:
        with (
            _file(login.certificate_path, login.certificate_data) as certificate,
            _file(login.private_key_path, login.private_key_data) as key,
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
