"""Reading and patching one ConfigMap with the pod's own service account; no more of a Kubernetes client than that.

The standard library's HTTP suffices, so that the trainer needs no client. When to write, and what a refusal means for
the training, is decided in `publisher`.
"""

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gopd_api.requests import PublishTo

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_SECONDS = 5.0


class RefusedError(Exception):
    """The API server answered, and not with yes. `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(Exception):
    """There was no answer, none that can be read, or the API server says that it cannot answer now."""


@dataclass(frozen=True)
class Access:
    """Where the API server is, and the files that let one in. Without `authority` it is plain HTTP."""

    host: str
    port: int
    token: Path
    authority: Path | None

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Self:
        """As every pod with a service account finds it."""
        host = environment.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
        port = int(environment.get("KUBERNETES_SERVICE_PORT", "443"))
        return cls(host, port, account / "token", account / "ca.crt")


@dataclass(frozen=True)
class Seen:
    """The ConfigMap as the API server last showed it."""

    version: str
    """Its resourceVersion."""
    data: Mapping[str, str] = field(default_factory=dict)


class ConfigMap:
    """One ConfigMap. Every call is one request that ends within seconds; nothing is tried again here."""

    def __init__(self, target: PublishTo, access: Access, timeout: float = TIMEOUT_SECONDS) -> None:
        self.name = f"{target.namespace}/{target.config_map}"
        self._path = f"/api/v1/namespaces/{target.namespace}/configmaps/{target.config_map}"
        self._access, self._timeout = access, timeout

    def read(self) -> Seen:
        """The ConfigMap. Raises RefusedError and UnreachableError."""
        return self._ask("GET", None)

    def patch(self, data: Mapping[str, str | None], version: str) -> Seen:
        """Set the keys of `data` (None takes a key away) if it still is at `version`; RefusedError 409 if not."""
        return self._ask("PATCH", {"metadata": {"resourceVersion": version}, "data": dict(data)})

    def _ask(self, method: str, body: dict[str, Any] | None) -> Seen:
        try:
            connection = self._connection()
            try:
                # Read anew each time: the kubelet replaces the token long before it expires.
                token = self._access.token.read_text(encoding="ascii").strip()
                headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
                if body is not None:
                    headers["Content-Type"] = "application/merge-patch+json"
                connection.request(method, self._path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                status, found = answer.status, answer.read()
            finally:
                connection.close()
            return _seen(status, found)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise UnreachableError(f"{type(error).__name__}: {str(error)[:300]}") from error

    def _connection(self) -> http.client.HTTPConnection:
        access = self._access
        if access.authority is None:
            return http.client.HTTPConnection(access.host, access.port, timeout=self._timeout)
        context = ssl.create_default_context(cafile=str(access.authority))
        return http.client.HTTPSConnection(access.host, access.port, timeout=self._timeout, context=context)


def _seen(status: int, found: bytes) -> Seen:
    if status != http.HTTPStatus.OK:
        try:
            message = str(json.loads(found)["message"])
        except (ValueError, KeyError, TypeError):
            message = found[:300].decode(errors="replace")
        # Overload and errors of its own, or of what stands before it, say nothing about what was asked.
        if status == http.HTTPStatus.TOO_MANY_REQUESTS or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnreachableError(f"HTTP {int(status)}: {message[:300]}")
        raise RefusedError(status, message[:300])
    body = json.loads(found)
    return Seen(str(body["metadata"]["resourceVersion"]), body.get("data") or {})
