"""The gopd command: doorways only. Importing it must stay fast: no torch, no MLflow, no kopf."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import gopd_api
from gopd_api.faults import InvalidSpec
from gopd_api.load import load_file
from gopd_api.objects import DistillationJob, EvalJob
from gopd_operator.core.workflow import Surroundings
from gopd_operator.core.workflow import plan as plan_of
from gopd_operator.shell.attempt import Programs
from gopd_operator.shell.errors import GopdError, PreflightError

EXIT_CODES = """\b
Exit codes:
  0  succeeded
  1  failed, or refused: the message says what to do
  2  the command line is wrong
  3  stopped on request after saving; the same command goes on
"""

workdir_option = click.option(
    "--workdir", default="runs", show_default=True, help="Storage root: models, data, jobs and results."
)


def console() -> Console:
    """Standard output; tables for pipes and files are as wide as lines of ours are."""
    found = Console()
    return found if found.is_terminal or "COLUMNS" in os.environ else Console(width=120)


def program() -> str:
    """How this command can be called again: by its name where the shell finds it, else as it was called."""
    called = Path(sys.argv[0])
    return "gopd" if called.name != "gopd" or shutil.which("gopd") else str(called)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Generalised on-policy distillation: plan, run, measure and compare."""


@cli.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path())
@workdir_option
def run(file: str, workdir: str) -> None:
    """Run the objects in FILE on this machine: train, evaluate, compare.

    The same command goes on with a job that was stopped or killed, and prints the result of a finished one again.
    Ctrl-C saves and stops; a second Ctrl-C kills.
    """
    from gopd_operator.shell.running import Command, run_object

    for job in load_file(file):
        code = run_object(job, Command(file, workdir, program()), console(), Programs())
        if code:
            sys.exit(code)


@cli.command(epilog=EXIT_CODES)
@click.argument("files", type=click.Path(), nargs=-1, required=True)
def validate(files: tuple[str, ...]) -> None:
    """Say what is wrong with the objects in FILES, one line a fault; touch nothing."""
    failed = False
    for file in files:
        try:
            objects = load_file(file)
        except InvalidSpec as error:
            failed = True
            for fault in error.faults:
                click.echo(f"{file}: {fault}")
        else:
            click.echo(f"{file}: valid ({', '.join(f'{one.kind} {one.metadata.name}' for one in objects)})")
    sys.exit(1 if failed else 0)


@cli.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path())
@workdir_option
@click.option(
    "-o", "--output", type=click.Choice(["table", "yaml", "json", "manifests"]), default="table", show_default=True
)
@click.option("--settings", metavar="FILE", help="With -o manifests: the operator's settings (YAML).")
def plan(file: str, workdir: str, output: str, settings: str | None) -> None:
    """Show what running FILE would do: steps, GPUs, memory, tokens, requests, verl options; touch nothing.

    -o manifests shows the Kubernetes objects that the operator would create instead, as YAML.
    """
    if output == "manifests":
        _print_manifests(file, Path(workdir).resolve(), settings)
        return
    from gopd_operator.shell.memory_view import needs_of
    from gopd_operator.shell.plan_view import as_data, options_of, show_plan

    found = []
    root = Path(workdir).resolve()
    for job in load_file(file):
        made, notes = _planned(job, root)
        options, more = options_of(made, Programs())
        needs = needs_of(job, made, root)
        if output == "table":
            show_plan(console(), made, options, notes + more, needs)
        else:
            found.append(as_data(made, options, notes + more, needs))
    if found:
        _print_data(found[0] if len(found) == 1 else found, output)


def _print_manifests(file: str, root: Path, settings: str | None) -> None:
    from gopd_operator.shell.cluster.settings_file import read_settings
    from gopd_operator.shell.manifests_view import manifests_text

    installed = read_settings(settings)
    for job in load_file(file):
        click.echo(manifests_text(job, installed, root), nl=False)


def _planned(job: DistillationJob | EvalJob, root: Path) -> tuple[Any, list[str]]:
    """The plan with what is on the disk; where that is not enough, the plan with undecided steps and a note."""
    from gopd_operator.core.comparing import SubjectFault
    from gopd_operator.shell.running import observe
    from gopd_operator.shell.tracking_page import tracking_uri

    surroundings = Surroundings(str(root), tracking_uri(root))
    observed, notes = observe(job, root)
    try:
        return plan_of(job, surroundings, observed), notes
    except SubjectFault as error:
        return plan_of(job, surroundings), [*notes, f"spec.subjects: {error}"]


@cli.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path())
@click.option("--root", default="runs", show_default=True, help="Storage root: models and data.")
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path), help="Write the answer there too.")
def inspect(file: str, root: str, summary: Path | None) -> None:
    """Look at the models and data of the object in FILE, and print what was found as one line of JSON.

    What a cluster runs before it books a GPU: no GPU is needed. The exit code is 1 when the job is refused.
    """
    from gopd_operator.shell.inspecting import inspect_file, tell

    found = inspect_file(file, Path(root).resolve())
    click.echo(tell(found, summary))
    sys.exit(0 if found.outcome == "passed" else 1)


@cli.command(epilog=EXIT_CODES)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@workdir_option
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def compare(runs: tuple[str, ...], workdir: str, output: str) -> None:
    """Scores of RUNs side by side, with paired differences where they answered the same problems.

    A RUN is the name of a job in the work directory, a job's folder, or a comparison.json or report.json.
    """
    from gopd_operator.shell.comparing import compare_runs, read_run
    from gopd_operator.shell.results import show_comparison, show_scores

    root = Path(workdir).resolve()
    compared = compare_runs([read_run(text, root) for text in runs], root, Programs())
    if output == "json":
        scores = [score.model_dump(mode="json", by_alias=True, exclude_none=True) for score in compared.scores]
        whole = {"scores": scores, "notPaired": compared.reason}
        _print_data(json.loads(compared.comparison.to_json()) if compared.comparison else whole, "json")
        return
    if compared.comparison is not None:
        show_comparison(console(), compared.comparison)
        if compared.page is not None:
            click.echo(f"page: {compared.page}")
    else:
        show_scores(console(), compared.scores)
        click.echo(f"no paired differences: {compared.reason}")


@cli.command(epilog=EXIT_CODES)
@workdir_option
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(workdir: str, port: int) -> None:
    """Serve the MLflow page of the work directory on this machine."""
    from gopd_operator.shell.tracking_page import serve

    serve(Path(workdir).resolve(), port)


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def data(arguments: tuple[str, ...]) -> None:
    """Get the data sets of known benchmarks, and list them: gopd data fetch aime25; gopd data list."""
    sys.exit(subprocess.run([*Programs().evaluate, "data", *arguments], check=False).returncode)


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"gopd {gopd_api.__version__}")


def _print_data(data: Any, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    import yaml

    click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120), nl=False)


def main() -> None:
    """The entry point: every error of ours ends with its message and exit code 1."""
    try:
        cli(standalone_mode=True)
    except InvalidSpec as error:
        for fault in error.faults:
            click.echo(f"{error.source}: {fault}" if error.source else str(fault), err=True)
        sys.exit(1)
    except PreflightError as error:
        for line in error.faults:
            click.echo(line, err=True)
        sys.exit(1)
    except GopdError as error:
        click.echo(f"gopd: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
