"""The trainer's command: `python -m gopd_trainer --request request.json`, and `options` to show what verl is told.

Exit codes: 0 succeeded, 1 failed (the report says why), 2 the request cannot be read, 3 stopped after saving: asked to
(Terminated), before its deadline (DeadlineNear), or because a newer attempt has begun (Superseded). For Ray a job whose
entrypoint ends with anything but 0 has failed; which of these it was is in the report, which the operator reads.
"""

import json
import sys
from pathlib import Path

import click
from pydantic import ValidationError

from gopd_api.requests import TrainRequest


def read_request(path: str) -> TrainRequest:
    """The request in `path`, or on standard input for `-`; ends the program with code 2 when it cannot be read."""
    try:
        return TrainRequest.read(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        fault = f"--request: {path} cannot be read ({error.strerror}); give the path of a train request"
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        fault = (
            f"--request: field {where!r} of {path}: {first['msg']}; write it with the gopd of this trainer's version"
        )
    click.echo(fault, err=True)
    sys.exit(2)


@click.group(invoke_without_command=True)
@click.option("--request", "path", metavar="FILE", help="The train request to carry out.")
@click.pass_context
def main(context: click.Context, path: str | None) -> None:
    """Train a student by generalised on-policy distillation."""
    if context.invoked_subcommand is not None:
        return
    if path is None:
        raise click.UsageError("give --request FILE")
    request = read_request(path)
    from gopd_trainer.shell.supervisor import Supervisor

    sys.exit(Supervisor(request, Path(path).resolve()).run())


@main.command("options")
@click.option("--request", "path", metavar="FILE", default="-", help="A train request; - for standard input.")
def show_options(path: str) -> None:
    """Print the verl options of a request as a JSON list of name=value."""
    from gopd_trainer.core.options import options

    chosen = options(read_request(path))
    print(json.dumps([f"{name}={json.dumps(chosen[name])}" for name in sorted(chosen)], indent=1))
