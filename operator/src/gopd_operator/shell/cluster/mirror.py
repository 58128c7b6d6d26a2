"""Mirrors into MLflow how a job ended: failed, deleted, suspended, or succeeded while MLflow was away. Best effort.

Nothing waits for it and nothing is decided by it: news are put into a bounded queue where the newest of a job wins, and
one worker sends them. A server that is not there is asked again after 5 s, then twice as long each time, up to 5
minutes. What is still queued when the operator ends is lost for jobs that were deleted; others are told again.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from gopd_api.run_tags import UID_TAG
from gopd_operator.core.cluster.mirroring import RunEnd, run_end
from gopd_operator.shell.cluster.metrics import MLFLOW
from gopd_operator.shell.cluster.mlflow import TIMEOUT_SECONDS, Mlflow, RunRefused, Unavailable, credentials

log = logging.getLogger("gopd.operator")
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
PROBE_SECONDS = 60.0
MOST_QUEUED, MOST_REMEMBERED = 1000, 4096


class Mirror:
    """The queue of runs to be told, and the worker that tells them."""

    def __init__(self, uri: str | None) -> None:
        """`uri`: the installation's MLflow; without an http(s) address there is nothing to mirror into."""
        self.uri = uri if uri and uri.startswith(("http://", "https://")) else None
        self._queued: dict[str, RunEnd] = {}
        self._told: dict[str, RunEnd] = {}
        self._news = asyncio.Event()
        self._failures = 0

    def __len__(self) -> int:
        """Runs that wait to be told."""
        return len(self._queued)

    def news(self, body: Mapping[str, Any], *, deleted: bool = False) -> None:
        """A DistillationJob has changed or is gone. Cheap, never waits, never raises for what a body may hold."""
        if self.uri is None:
            return
        wanted, uid = run_end(body, self.uri, time.time(), deleted=deleted), body["metadata"]["uid"]
        if wanted is None:
            # It goes on: what was to be said of it is no longer true.
            self._queued.pop(uid, None)
            self._told.pop(uid, None)
            return
        if self._told.get(uid) == wanted:
            return
        self._queued.pop(uid, None)
        self._queued[uid] = wanted
        if len(self._queued) > MOST_QUEUED:
            lost = self._queued.pop(next(iter(self._queued)))
            log.warning("MLflow: run %s of %s is not told that it ended: too many wait", lost.run_id, lost.job)
        self._news.set()

    async def work(self) -> None:
        """Tell runs until cancelled."""
        if self.uri is None:
            return
        async with connected(self.uri) as server:
            while True:
                try:
                    await self._next(server)
                except Unavailable as error:
                    await asyncio.sleep(self._failed(error))
                except Exception:  # an answer of a form that nobody thought of; the mirror goes on with the next run
                    log.exception("MLflow: an error of the mirror; what waited is dropped")
                    self._queued.clear()
                    await asyncio.sleep(FIRST_WAIT)
                else:
                    self._answered()
                    await self._idle()

    async def _next(self, server: Mlflow) -> None:
        wanted = next(iter(self._queued.values()), None)
        if wanted is None:
            await server.answers()
            return
        try:
            await tell(server, wanted)
        except RunRefused as error:
            log.warning("MLflow: run %s of %s is left as it is: %s", wanted.run_id, wanted.job, error)
        # Newer news of the job, or the news that it goes on, may have come meanwhile.
        if self._queued.get(wanted.uid) is wanted:
            del self._queued[wanted.uid]
            self._told[wanted.uid] = wanted
            if len(self._told) > MOST_REMEMBERED:
                del self._told[next(iter(self._told))]

    async def _idle(self) -> None:
        """Wait for news, or until it is time to see whether the server is still there."""
        if self._queued:
            return
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), PROBE_SECONDS)
        except TimeoutError:
            return

    def _failed(self, error: Unavailable) -> float:
        """Seconds to wait after another failure."""
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._failures, 10))
        if not self._failures:
            log.warning("MLflow at %s is not there: %s; jobs go on without it", self.uri, error)
        self._failures += 1
        MLFLOW.set(0)
        return wait

    def _answered(self) -> None:
        if self._failures:
            log.info("MLflow at %s answers again", self.uri)
        self._failures = 0
        MLFLOW.set(1)


@asynccontextmanager
async def connected(uri: str) -> AsyncIterator[Mlflow]:
    """The server at `uri`, with the credentials of the environment."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        yield Mlflow(session, uri, credentials(os.environ))


async def tell(server: Mlflow, wanted: RunEnd) -> None:
    """Have the run say what it should. Raises Unavailable and RunRefused."""
    run = await server.run(wanted.run_id)
    if run.tags.get(UID_TAG) != wanted.uid:
        raise RunRefused(f"its tag {UID_TAG} does not name this job")
    if not wanted.stands(run.status):
        await server.end(wanted.run_id, wanted.status, round(time.time() * 1000))
    if any(run.tags.get(key) != value for key, value in wanted.tags):
        await server.tag(wanted.run_id, dict(wanted.tags))
