"""Seconds from the command to the end of the first training step, processes and peak memory, on tiny models.

    python -m benchmarks.startup [--repeats 3] [--plain]

`--plain` measures without the fork server. Each row is a phase; the last column is the spread over the repeats.
"""

import statistics
import tempfile
from pathlib import Path

import click
from benchmarks import trainings
from benchmarks.machine import machine
from rich.console import Console
from rich.table import Table

from gopd_trainer.shell.driver import NO_FORK_SERVER

PHASES = (
    ("imported", "imports (supervisor, verl, torch, ray)"),
    ("inputs", "models, tokenizers and data looked at"),
    ("ready", "options composed, Ray started"),
    ("resumed", "queues, trainer worker, models loaded"),
    ("step", "first step"),
)


@click.command()
@click.option("--repeats", default=3, show_default=True)
@click.option("--plain", is_flag=True, help="Without the fork server.")
def main(repeats: int, plain: bool) -> None:
    """Measure the start of a training at reward scale 1.25."""
    environment = {NO_FORK_SERVER: "1"} if plain else {}
    console = Console()
    console.print(f"{'without' if plain else 'with'} the fork server, {machine()}")
    with tempfile.TemporaryDirectory(prefix="gopd-startup-") as name:
        world = Path(name)
        trainings.make_models(world)
        runs = []
        for repeat in range(repeats):
            folder = world / f"run-{repeat}"
            runs.append(trainings.run(trainings.request(world, folder, 1.25, steps=1), folder, environment))
            console.print(f"repeat {repeat + 1}: {runs[-1].until('step'):.1f} s to the end of step 1")
    table = Table("phase", "median s", "least", "most")
    before = [0.0] * repeats
    for kind, words in PHASES:
        at = [run.until(kind) for run in runs]
        _row(table, words, [after - earlier for after, earlier in zip(at, before, strict=True)])
        before = at
    _row(table, "command to the end of step 1", before, style="bold")
    _row(table, "whole run", [run.seconds for run in runs])
    console.print(table)
    most = max(run.processes for run in runs)
    peaks = [run.peak_gib for run in runs]
    console.print(f"processes: {most}; peak proportional memory: {min(peaks):.1f}-{max(peaks):.1f} GiB")


def _row(table: Table, words: str, values: list[float], style: str = "") -> None:
    table.add_row(words, f"{statistics.median(values):.1f}", f"{min(values):.1f}", f"{max(values):.1f}", style=style)


if __name__ == "__main__":
    main()
