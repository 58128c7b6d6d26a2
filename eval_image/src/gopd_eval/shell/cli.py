"""`python -m gopd_eval generate|grade|compare --request FILE`: the commands, their exit codes and their last words.

0 succeeded; 1 failed, with one sentence on standard error; 2 the request cannot be read or has an unknown version; 3
stopped on request, and the same command goes on; 4 failed by what may pass, such as a hub that is away or an engine
that hangs. With `--summary` the end is written there too, whatever it is. It decides nothing about evaluation.
"""

import faulthandler
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from gopd_api.reports import EvalReport
from gopd_api.requests import EvalRequest
from gopd_eval.core.errors import EvaluationError, StoppedError
from gopd_eval.shell import summary
from gopd_eval.shell.data_cli import data
from gopd_eval.shell.file_grading import grade_file
from gopd_eval.shell.files import write_atomically
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.stalls import StallGuard

FAILED, UNREADABLE, STOPPED, PASSING = 1, 2, 3, 4
NOTE_LENGTH = 4000
Work = Callable[[EvalRequest, Watch, int | None], Any]


@click.group(help=__doc__)
def main() -> None:
    """Evaluate models."""


def _command(name: str, text: str, reports_failure: bool, load: Callable[[], Work]) -> None:
    """Add a command; `load` imports its work late, so that no command pays for another's libraries."""

    def run(path: Path, summary_file: Path | None, subject: int | None = None, stall_after: int = 0) -> None:
        request = _read_request(path, summary_file)
        watch = Watch(Path(request.paths.progress), request.digest())
        watch.listen()
        code = FAILED

        def stalled(seconds: float) -> None:
            faulthandler.dump_traceback()
            said = _stall(seconds)
            summary.ended(summary_file, request.digest(), "failed", said.reason, str(said))
            _record_failure(request, watch, name, str(said), said.reason, reports_failure)

        guard: AbstractContextManager[object] = (
            StallGuard(watch, stall_after, stalled, PASSING) if stall_after else nullcontext()
        )
        try:
            with guard:
                result = load()(request, watch, subject)
            summary.succeeded(summary_file, request, result)
            return
        except StoppedError as stop:
            message = f"stopped by {stop}; give the same command again to go on"
            click.echo(f"{name}: {message}", err=True)
            summary.ended(summary_file, request.digest(), "stopped", "Terminated", message)
            sys.exit(STOPPED)
        except EvaluationError as error:
            message, reason = str(error), error.reason
            code = PASSING if error.passing else FAILED
        except Exception as error:  # noqa: BLE001  the last resort: what was not foreseen is recorded and named
            traceback.print_exc()
            message, reason = _unforeseen(error)
        _record_failure(request, watch, name, message, reason, reports_failure)
        summary.ended(summary_file, request.digest(), "failed", reason, message)
        sys.exit(code)

    if name == "generate":
        run = click.option("--subject", type=int, metavar="N", help="Only the subject of this index, from 0.")(run)
        run = click.option(
            "--stall-after",
            type=click.IntRange(min=0),
            default=0,
            metavar="SECONDS",
            help="End when there was no sign of life for so long, four times as long while models are loaded. "
            "Without it, whoever started the command watches its progress file.",
        )(run)
    run = click.option(
        "--summary", "summary_file", type=click.Path(path_type=Path), help="Write the ending there too, in 4096 bytes."
    )(run)
    run = click.option(
        "--request", "path", required=True, type=click.Path(path_type=Path), help="File of the EvalRequest."
    )(run)
    main.command(name, help=text)(run)


def _read_request(path: Path, summary_file: Path | None) -> EvalRequest:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return EvalRequest.read(text)
    except (OSError, UnicodeDecodeError) as error:
        message = f"--request: {path} cannot be read ({error}); give the file of an EvalRequest"
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "request"
        given = f", not {first['input']!r}" if isinstance(first.get("input"), str | int | float) else ""
        remedy = "write the request with the same version of this project"
        message = f"{field}: {first['msg']}{given} (in {path}); {remedy}"
    click.echo(message, err=True)
    summary.ended(summary_file, summary.digest_of_text(text), "failed", "InvalidRequest", message)
    sys.exit(UNREADABLE)


def _stall(seconds: float) -> EvaluationError:
    fault = f"no sign of life for {seconds:.0f} s"
    remedy = (
        "see above where each thread stood; where the machine is only slow, set a smaller one or have more patience"
    )
    return EvaluationError("sampling.batchSize", fault, remedy, "Stalled", passing=True)


def _unforeseen(error: Exception) -> tuple[str, str]:
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError) or "out of memory" in first.lower() or "can't allocate memory" in first.lower():
        return f"sampling.batchSize: memory ran out ({first[:300]}); set a smaller one", "OutOfMemory"
    name = type(error).__name__
    return f"request: an error that was not foreseen ({name}: {first[:300]}); the lines above say where", "Error"


def _record_failure(
    request: EvalRequest, watch: Watch, name: str, message: str, reason: str, reports_failure: bool
) -> None:
    """Say it, and leave it as a report where the command answers by one."""
    click.echo(f"{name}: {message}", err=True)
    report = EvalReport(request_digest=request.digest(), outcome="failed", reason=reason, message=message[:NOTE_LENGTH])
    try:
        if reports_failure:
            write_atomically(Path(request.paths.report), report.to_json(), "paths.report")
        watch.at("failed")
    except (EvaluationError, StoppedError) as error:
        click.echo(f"{name}: the failure could not be recorded ({error})", err=True)


def _load_generate() -> Work:
    from gopd_eval.shell.generate import generate

    return generate


def _load_grade() -> Work:
    from gopd_eval.shell.grade import grade

    return lambda request, watch, _: grade(request, watch)


def _load_compare() -> Work:
    from gopd_eval.shell.compare import compare

    return lambda request, watch, _: compare(request, watch)


_command("generate", "Draw the answers that are missing, and divergences along them.", True, _load_generate)
_command("grade", "Give every answer a verdict, and write the report.", True, _load_grade)
_command("compare", "Compare the subjects; write, print and publish it.", False, _load_compare)
main.add_command(data)
main.add_command(grade_file)
