"""What reward scale 1.25 costs a step over 1.0, which needs no reference: the ratio of step times on tiny models.

    python -m benchmarks.step_time [--pairs 3] [--steps 25]

Pairs of trainings in turn (1.0, 1.25, 1.25, 1.0, ...), so that a busy moment of the machine meets both. The first two
steps of each are left out. The ratio's 95 % interval is a bootstrap over pairs and, within them, steps.
"""

import statistics
import tempfile
from pathlib import Path

import click
import numpy as np
from benchmarks import trainings
from benchmarks.machine import machine
from rich.console import Console
from rich.table import Table

SCALES = (1.0, 1.25)
PHASES = ("rollout", "update", "weight_sync", "step")
LEFT_OUT = 2
DRAWS = 10000


@click.command()
@click.option("--pairs", default=3, show_default=True)
@click.option("--steps", default=25, show_default=True)
@click.option("--batch-size", default=8, show_default=True, help="Prompts a step; two answers each.")
def main(pairs: int, steps: int, batch_size: int) -> None:
    """Measure pairs of trainings."""
    console = Console()
    console.print(f"{pairs} pairs of {steps} steps with {2 * batch_size} answers, {machine()}")
    seconds: dict[float, list[list[float]]] = {scale: [] for scale in SCALES}
    phases: dict[float, dict[str, list[float]]] = {scale: {name: [] for name in PHASES} for scale in SCALES}
    with tempfile.TemporaryDirectory(prefix="gopd-steps-") as name:
        world = Path(name)
        trainings.make_models(world)
        for pair in range(pairs):
            for scale in SCALES if pair % 2 == 0 else SCALES[::-1]:
                folder = world / f"run-{pair}-{scale}"
                run = trainings.run(trainings.request(world, folder, scale, steps, batch_size), folder)
                seconds[scale].append(run.step_seconds()[LEFT_OUT:])
                for event in [event for event in run.events if event["kind"] == "step"][LEFT_OUT:]:
                    for phase in PHASES:
                        phases[scale][phase].append(event["metrics"].get(f"perf/seconds_{phase}", 0.0))
                console.print(f"reward scale {scale}: median step {statistics.median(seconds[scale][-1]):.3f} s")
    table = Table("phase", *[f"median s at {scale}" for scale in SCALES], "ratio")
    for phase in PHASES:
        one, other = (statistics.median(phases[scale][phase]) for scale in SCALES)
        table.add_row(phase, f"{one:.3f}", f"{other:.3f}", f"{other / one:.2f}" if one else "")
    console.print(table)
    ratio, low, high = ratio_of_medians(seconds[1.0], seconds[1.25])
    console.print(f"wall time a step, 1.25 over 1.0: {ratio:.3f} [{low:.3f}, {high:.3f}]")


def ratio_of_medians(below: list[list[float]], above: list[list[float]]) -> tuple[float, float, float]:
    """Ratio of the median step times and its 95 % bootstrap interval (pairs are drawn, then steps within them)."""
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        pairs = generator.integers(0, len(below), len(below))
        halves = [
            np.concatenate([generator.choice(runs[pair], len(runs[pair])) for pair in pairs]) for runs in (below, above)
        ]
        drawn.append(np.median(halves[1]) / np.median(halves[0]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.median(np.concatenate(above)) / np.median(np.concatenate(below))), float(low), float(high)


if __name__ == "__main__":
    main()
