"""MLflow's REST API, as much as the mirror needs: is it there, read a run, end and tag a run. No MLflow is imported.

An answer that says something about one run is told apart from trouble of the server: only the latter is worth waiting
for.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

TIMEOUT_SECONDS = 5.0


class Unavailable(Exception):
    """The server does not answer, or answers nobody."""


class RunRefused(Exception):
    """The server answers, and will not have this."""


def credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that MLflow's own clients send for these variables: user and password, or a token."""
    user, password = environment.get("MLFLOW_TRACKING_USERNAME"), environment.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


@dataclass(frozen=True)
class Run:
    """A run as MLflow has it."""

    status: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Mlflow:
    """One MLflow server."""

    session: aiohttp.ClientSession
    uri: str
    headers: Mapping[str, str]

    async def answers(self) -> None:
        """Ask whether it is there. Raises Unavailable."""
        try:
            await self._ask("GET", "/health")
        except RunRefused:
            return  # it answers, whatever it says

    async def run(self, run_id: str) -> Run:
        """The run. Raises Unavailable and RunRefused."""
        found = (await self._ask("GET", "/api/2.0/mlflow/runs/get", query={"run_id": run_id})).get("run") or {}
        tags = {one["key"]: one.get("value") or "" for one in (found.get("data") or {}).get("tags") or []}
        return Run((found.get("info") or {}).get("status") or "", tags)

    async def end(self, run_id: str, status: str, time_ms: int) -> None:
        """Set how the run ended."""
        body = {"run_id": run_id, "status": status, "end_time": time_ms}
        await self._ask("POST", "/api/2.0/mlflow/runs/update", body)

    async def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        await self._ask("POST", "/api/2.0/mlflow/runs/log-batch", {"run_id": run_id, "tags": listed})

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = self.uri.rstrip("/") + path
        try:
            async with self.session.request(
                method, url, json=body, params=query, headers=self.headers, allow_redirects=False
            ) as answer:
                text, code = await answer.text(errors="replace"), answer.status
                found = await answer.json(content_type=None) if code == 200 and text[:1] == "{" else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(str(error) or type(error).__name__) from error
        if code == 200:
            return dict(found)
        words = f"{code} to {method} {path}: {text.strip()[:200]}"
        # 401 and 429 are about the caller, 3xx and 5xx about the server: the next run would fare no better.
        if 400 <= code < 500 and code not in (401, 429):
            raise RunRefused(words)
        raise Unavailable(words)
