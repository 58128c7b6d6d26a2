"""`gopd-operator`: the command of the operator's image. Reads its settings, logs in, and works until it is told to end.

Exit codes: 0 ended on request, 1 something that it needs is not there, 2 wrong settings.
"""

import asyncio
import logging

import click
import kopf

from gopd_operator.core.settings import OperatorSettings
from gopd_operator.shell.cluster.api import connected
from gopd_operator.shell.cluster.login import Login, NoLogin
from gopd_operator.shell.cluster.operating import Operator
from gopd_operator.shell.cluster.settings_file import read_settings
from gopd_operator.shell.cluster.watching import handlers, kopf_settings
from gopd_operator.shell.cluster.web import served

log = logging.getLogger("gopd.operator")
LIBRARIES_SAY_LITTLE = ("aiohttp.access", "asyncio")


async def operate(settings: OperatorSettings) -> None:
    """Work until SIGTERM or SIGINT."""
    watching = kopf_settings()
    login = Login(watching)
    async with connected(login, settings.requests_at_once) as api:
        operator = Operator(settings, api)
        async with served(operator, settings.port) as port:
            log.info("serving %s, port %d", ", ".join(settings.namespaces) or "all namespaces", port)
            # Of no consequence to the others: it may end, and nothing else does.
            mirror = asyncio.create_task(operator.mirror.work())
            tasks = [
                asyncio.create_task(one) for one in (operator.keep_synced(), operator.work(), operator.teller.work())
            ]
            watch = asyncio.create_task(
                kopf.operator(
                    registry=handlers(operator, login),
                    settings=watching,
                    standalone=True,
                    # kopf's own would ask for the name of the pod's user, which has none.
                    identity="gopd-operator",
                    clusterwide=not settings.namespaces,
                    namespaces=settings.namespaces,
                )
            )
            done, _ = await asyncio.wait([watch, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in (watch, mirror, *tasks):
                task.cancel()
            await asyncio.gather(watch, mirror, *tasks, return_exceptions=True)
            await operator.teller.last_words()
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error


@click.command()
@click.option("--settings", "path", metavar="FILE", help="YAML file of the installation's settings.")
@click.option("--log-format", type=click.Choice(["json", "plain"]), default="json", show_default=True)
@click.option("--verbose", is_flag=True, help="Say what kopf and aiohttp do, too.")
def main(path: str | None, log_format: str, verbose: bool) -> None:
    """Watch DistillationJobs and EvalJobs and carry them out."""
    settings = read_settings(path)
    shape = kopf.LogFormat.JSON if log_format == "json" else kopf.LogFormat.FULL
    kopf.configure(verbose=verbose, quiet=not verbose, log_format=shape)
    log.setLevel(logging.INFO)
    for name in LIBRARIES_SAY_LITTLE:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(operate(settings))
    except NoLogin as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
