"""A small client of an API server for tests: JSON in and out, errors with status and reason, watches as iterators.

Decides nothing about any kind beyond its address. It is safe to use from several threads at once.
"""

import builtins
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

Document = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """Where objects of a kind live."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        parts = ["api", self.version] if not self.group else ["apis", self.group, self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        return "/" + "/".join([*parts, self.plural, *([name] if name else []), *([subresource] if subresource else [])])


DISTILLATION_JOBS = Kind("gopd.io", "v1alpha1", "distillationjobs")
EVAL_JOBS = Kind("gopd.io", "v1alpha1", "evaljobs")
RAY_JOBS = Kind("ray.io", "v1", "rayjobs")
RAY_CLUSTERS = Kind("ray.io", "v1", "rayclusters")
JOBS = Kind("batch", "v1", "jobs")
PODS = Kind("", "v1", "pods")
EVENTS = Kind("", "v1", "events")
CONFIG_MAPS = Kind("", "v1", "configmaps")
SECRETS = Kind("", "v1", "secrets")
SERVICE_ACCOUNTS = Kind("", "v1", "serviceaccounts")
NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
CUSTOM_KINDS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)


class ApiError(RuntimeError):
    """The API server's refusal: its HTTP status, the reason's word, and the message."""

    def __init__(self, status: int, body: str) -> None:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        self.status = status
        self.reason = str(answer.get("reason", ""))
        self.message = str(answer.get("message", body))
        super().__init__(f"{status} {self.reason}: {self.message}")


@dataclass
class Api:
    """One identity at one API server."""

    server: str
    token: str
    authority: Path
    certificate: tuple[Path, Path] | None = None
    """Certificate and key of a client that has no token."""
    pool: urllib3.PoolManager = field(init=False, repr=False)

    def __post_init__(self) -> None:
        certificate, key = map(str, self.certificate) if self.certificate else (None, None)
        self.pool = urllib3.PoolManager(
            maxsize=16,
            ca_certs=str(self.authority),
            cert_reqs="CERT_REQUIRED",
            cert_file=certificate,
            key_file=key,
            retries=False,
        )

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        media: str = "application/json",
        timeout: float = 30,
        **query: Any,
    ) -> Document:
        """One request. A text or bytes is sent as it is, anything else as JSON. Raises ApiError."""
        data = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        answer = self.pool.request(
            method, self._address(path, query), body=data, headers=self._headers(media), timeout=timeout
        )
        text = answer.data.decode()
        if answer.status >= 400:
            raise ApiError(answer.status, text)
        return dict(json.loads(text)) if text.startswith("{") else {"text": text}

    def get(self, kind: Kind, namespace: str, name: str) -> Document:
        return self.request("GET", kind.path(namespace, name))

    def find(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """The object, or None where there is none."""
        try:
            return self.get(kind, namespace, name)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def list(self, kind: Kind, namespace: str = "", *, labels: str = "") -> builtins.list[Document]:
        query: Document = {"labelSelector": labels} if labels else {}
        return builtins.list(self.request("GET", kind.path(namespace), **query)["items"])

    def create(self, kind: Kind, namespace: str, document: Document, **query: Any) -> Document:
        return self.request("POST", kind.path(namespace), document, **query)

    def replace(self, kind: Kind, document: Document, subresource: str = "", **query: Any) -> Document:
        """PUT of a whole object: its resourceVersion is compared by the API server."""
        metadata = document["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"], subresource)
        return self.request("PUT", path, document, **query)

    def merge(
        self, kind: Kind, namespace: str, name: str, patch: Document, subresource: str = "", **query: Any
    ) -> Document:
        """A JSON merge patch."""
        path = kind.path(namespace, name, subresource)
        return self.request("PATCH", path, patch, media="application/merge-patch+json", **query)

    def delete(self, kind: Kind, namespace: str, name: str, **query: Any) -> None:
        """Delete in the background; it is no error when there is nothing."""
        try:
            self.request("DELETE", kind.path(namespace, name), **{"propagationPolicy": "Background", **query})
        except ApiError as error:
            if error.status != 404:
                raise

    def watch(
        self, kind: Kind, namespace: str = "", *, version: str = "", labels: str = "", seconds: int = 300
    ) -> Iterator[tuple[str, Document]]:
        """Events of a watch as (type, object), from a resourceVersion on, until it is cut or its time is over."""
        query = {"watch": "true", "timeoutSeconds": seconds, "allowWatchBookmarks": "true"}
        query |= {"resourceVersion": version} if version else {}
        query |= {"labelSelector": labels} if labels else {}
        answer = self.pool.request(
            "GET",
            self._address(kind.path(namespace), query),
            headers=self._headers("application/json"),
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=seconds + 5),
        )
        try:
            if answer.status >= 400:
                raise ApiError(answer.status, answer.read().decode())
            for line in _lines(answer):
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            answer.close()

    def _address(self, path: str, query: dict[str, Any]) -> str:
        return f"{self.server}{path}{'?' if query else ''}{urlencode(query)}"

    def _headers(self, media: str) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**token, "Content-Type": media, "Accept": "application/json"}


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for block in answer.stream(1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        yield from filter(None, lines)
