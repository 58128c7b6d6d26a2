"""/healthz, /readyz and /metrics: what a kubelet and Prometheus ask. It answers from memory and asks nobody."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gopd_operator.shell.cluster.metrics import REGISTRY
from gopd_operator.shell.cluster.operating import Operator

OVERDUE_SECONDS = 300.0


def unhealthy(operator: Operator) -> str | None:
    """Why the process should be started anew, None when it works."""
    if (late := operator.queue.oldest()) > OVERDUE_SECONDS:
        return f"a job has waited for {late:.0f} s to be looked at"
    limit = 3 * operator.settings.resync_seconds + 60
    if operator.synced is not None and time.monotonic() - operator.synced > limit:
        return f"the objects were read {time.monotonic() - operator.synced:.0f} s ago"
    return None


@asynccontextmanager
async def served(operator: Operator, port: int) -> AsyncIterator[int]:
    """Answer on `port` (0: a free one, which is given) while the block runs."""

    async def healthz(_: web.Request) -> web.Response:
        why = unhealthy(operator)
        return web.Response(text=why or "ok", status=500 if why else 200)

    async def readyz(_: web.Request) -> web.Response:
        ready = operator.synced is not None
        return web.Response(text="ok" if ready else "the objects have not been read yet", status=200 if ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        operator.count()
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", port)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
