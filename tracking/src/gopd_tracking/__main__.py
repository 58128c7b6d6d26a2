"""`python -m gopd_tracking send SPOOL`: send what an outage left behind."""

import sys
import time
from pathlib import Path

import click

from gopd_tracking.connection import import_mlflow, said, shown
from gopd_tracking.sender import Sender
from gopd_tracking.spool import Spool


@click.group()
def main() -> None:
    """The MLflow record of a job, from its spool."""


@main.command()
@click.argument("spool", type=click.Path(exists=True, file_okay=False, path_type=Path))
def send(spool: Path) -> None:
    """Send to MLflow what waits in the folder SPOOL."""
    opened = Spool(spool)
    try:
        job = opened.job()
    except FileNotFoundError:
        raise click.ClickException(f"SPOOL: {spool} holds no job.json; name the spool folder of a job") from None
    if job.tracking.uri is None:
        raise click.ClickException(f"SPOOL: {spool} has no tracking.uri; there is nowhere to send it")
    waiting, before = opened.left(), opened.sent().refused
    started = time.monotonic()
    import_mlflow(job.tracking.uri)
    sender = Sender(opened, job)
    place = shown(job.tracking.uri)
    try:
        mine = sender.drain()
    except Exception as error:  # noqa: BLE001 - whatever MLflow raised is said in one sentence, nothing is lost
        raise click.ClickException(
            f"MLflow at {place} cannot be written ({said(error)}); "
            f"{opened.left()} of {waiting} entries still wait in {spool}, send them again later"
        ) from None
    if not mine:
        raise click.ClickException(f"SPOOL: another process is sending {spool}; wait for it to end")
    refused = sender.sent.refused - before
    click.echo(
        f"{waiting - refused} entries sent to run {sender.sent.run_id} at {place} "
        f"in {time.monotonic() - started:.1f} s, {refused} refused, {opened.left()} left"
    )
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main(prog_name="python -m gopd_tracking")
