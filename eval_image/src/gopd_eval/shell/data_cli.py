"""`python -m gopd_eval data fetch|list`: the data store by hand. `gopd data` is the same."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gopd_api.benchmarks import BENCHMARKS, IN_STORE, Release, data_sets
from gopd_eval.core.benchmarks.sources import DATA_SETS, UNKNOWN, DataSet
from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.datastore import DataStore
from gopd_eval.shell.fetching import fetch

FAILED = 1
store_option = click.option(
    "--store", default="runs/datasets", show_default=True, type=click.Path(path_type=Path), help="Folder of the store."
)
RELEASES = click.Choice([f"{form}v{number}" for form in ("", "release_") for number in range(1, 7)])


@click.group("data")
def data() -> None:
    """Data sets of the known benchmarks: get them, see what is there."""


@data.command("fetch")
@click.argument("names", metavar="TASK...", nargs=-1, required=True)
@store_option
@click.option("--from", "source", type=click.Path(path_type=Path), help="Import this file; nothing is downloaded.")
@click.option("--release", type=RELEASES, help="Of livecodebench: v6 (134 MB) where none is given.")
def fetch_command(names: tuple[str, ...], store: Path, source: Path | None, release: Release | None) -> None:
    """Get the data of each TASK: at its pinned revision, checked, and kept by content.

    What is there and whole is not fetched again; what broke off goes on. Nothing else needs a network afterwards.
    """
    try:
        wanted = [one for name in names for one in _sets(name, release)]
        if source is not None and len(wanted) != 1:
            raise EvaluationError(
                "--from", f"is one file, and {len(wanted)} data sets are asked for", "name one of them"
            )
        for data_set in wanted:
            _fetch_one(data_set, DataStore(store), source)
    except EvaluationError as error:
        click.echo(f"data: {error}", err=True)
        sys.exit(FAILED)


def _sets(name: str, release: Release | None) -> list[DataSet]:
    if name in DATA_SETS:
        return [DATA_SETS[name]]
    if name not in IN_STORE:
        own = " (its problems are a file of yours: name it as the task's data)" if name in BENCHMARKS else ""
        raise EvaluationError("TASK", f"{name} is not known{own}", f"name one of: {', '.join(IN_STORE)}")
    return [DATA_SETS[one] for one in data_sets(name, release)]


def _fetch_one(data_set: DataSet, store: DataStore, source: Path | None) -> None:
    def say(there: int, whole: int | None) -> None:
        if sys.stderr.isatty():
            of = f" of {whole >> 20}" if whole else ""
            click.echo(f"\r{data_set.name}: {there >> 20}{of} MiB", err=True, nl=there == whole)

    entry = fetch(data_set, store, source, say)
    click.echo(f"{entry.name}: {entry.records} records, {entry.bytes} bytes, sha256 {entry.sha256}")
    click.echo(f"  from {entry.origin} at {entry.revision}; licence: {entry.licence}")
    click.echo(f"  checked: {entry.checks}")


@data.command("list")
@store_option
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_command(store: Path, output: str) -> None:
    """Every known data set: what is pinned, and what the store holds."""
    try:
        rows = [_row(data_set, DataStore(store)) for data_set in DATA_SETS.values()]
    except EvaluationError as error:
        click.echo(f"data: {error}", err=True)
        sys.exit(FAILED)
    if output == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        size = f"{row['bytes']:,} bytes" if row["bytes"] != UNKNOWN else "size unknown"
        click.echo(
            f"{row['name']:17} {'in the store' if row['held'] else '-':12} {row['records']:5} records  {size:>20}"
        )
        click.echo(f"{'':17} {row['uri']}")
        click.echo(f"{'':17} sha256 {row['sha256']}; licence: {row['licence']}")


def _row(data_set: DataSet, store: DataStore) -> dict[str, Any]:
    entry = store.entry(data_set.name)
    held = (
        None if entry is None or entry.sha256 != data_set.sha256 else {"origin": entry.origin, "checks": entry.checks}
    )
    return {**asdict(data_set), "bytes": data_set.bytes or UNKNOWN, "held": held}
