"""The part of `gopd plan` about GPU memory and GPU-hours: what is known of the models, and the estimate from it.

What fits is decided in `core.memory_plan`. Models are looked up on this machine only; where their configuration is not
at hand, a public model of the same name stands in, and the plan says so.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gopd_api.effective import needed_servers
from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.status import PlanStatus
from gopd_operator.core.memory import GIB
from gopd_operator.core.memory_plan import MemoryPlan, MemoryRow, gib, memory_plan, plan_status, refusal
from gopd_operator.core.plan import Plan
from gopd_operator.shell.model_facts import sizes_found
from gopd_operator.shell.preflight import MADE_BY

LEAST_SHOWN = GIB // 20
HOURS_WORDS = "from answers a quarter as long as allowed on well used GPUs, to longest answers on poorly used ones"


@dataclass(frozen=True)
class Needs:
    """What a distillation needs."""

    status: PlanStatus
    """The same that the operator writes to `status.plan`."""
    memory: MemoryPlan
    limit_gib: int
    jobs: int
    """Trainings: more than one in a sweep."""
    refusal: str | None
    notes: tuple[str, ...]
    """What is not known of the models, or was assumed."""


def needs_of(job: DistillationJob | EvalJob, plan: Plan, root: Path) -> Needs | None:
    """The needs of a distillation on GPUs; None for others."""
    if isinstance(job, EvalJob) or job.spec.compute.accelerator == "cpu":
        return None
    spec = job.spec
    models = [spec.student.model, *(server.model for server in needed_servers(spec))]
    sizes = sizes_found(models, root, assume=True, made_by=job.metadata.annotations.get(MADE_BY))
    steps = plan.trainings[0].total_steps if plan.trainings else None
    if steps is not None:
        fixed = spec.optimization.model_copy(update={"steps": steps, "epochs": None})
        spec = spec.model_copy(update={"optimization": fixed})
    return Needs(
        plan_status(spec, sizes.facts, None),
        memory_plan(spec, sizes.facts),
        spec.compute.gpu_memory_gib,
        len(plan.trainings),
        refusal(spec, sizes.facts),
        tuple(sizes.notes),
    )


def needs_data(needs: Needs) -> dict[str, Any]:
    """The needs as plain values."""
    return {
        "gpuHours": None if needs.status.gpu_hours is None else needs.status.gpu_hours.model_dump(),
        "tokens": needs.status.tokens,
        "gpuMemoryGiB": needs.limit_gib,
        "memory": [_row_data(row) for row in needs.memory.rows],
        "refusal": needs.refusal,
        "notes": list(needs.notes),
    }


def _row_data(row: MemoryRow) -> dict[str, Any]:
    return {
        "role": row.role,
        "model": row.model,
        "gpus": row.gpus,
        "moment": row.moment.name,
        "gibPerGpu": round(row.needed / GIB, 2),
        "parts": {name: round(size / GIB, 2) for name, size in row.moment.parts.items() if size},
        "share": round(row.needed / row.limit, 3),
        "verdict": row.verdict,
        **({"remedy": row.remedy} if row.verdict != "fits" else {}),
    }


def show_needs(console: Console, needs: Needs) -> None:
    """The needs for people."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    if needs.status.gpu_hours is not None:
        low, high = needs.status.gpu_hours.low, needs.status.gpu_hours.high
        whose = f" of all {needs.jobs} trainings" if needs.jobs > 1 else ""
        say(f"GPU-hours{whose}: {_number(low)} to {_number(high)}, {HOURS_WORDS} (estimate, evaluations not counted)")
    if needs.memory.rows:
        say(f"memory of each GPU at its fullest (estimate, of {needs.limit_gib} GiB):")
        console.print(_table(needs.memory))
    for row in needs.memory.rows:
        if row.verdict != "fits":
            say(f"{row.verdict}: {row.words()}")
    for note in needs.notes:
        say(f"note: {note}")


def _table(memory: MemoryPlan) -> Table:
    table = Table(header_style="")
    for name in ("role", "GPUs", "moment", "GiB", "of it", "verdict", "parts"):
        table.add_column(name, overflow="fold", no_wrap=name != "parts", justify="right" if name == "GiB" else "left")
    for row in memory.rows:
        parts = ", ".join(f"{name} {gib(size)}" for name, size in row.moment.parts.items() if size >= LEAST_SHOWN)
        share = f"{row.needed / row.limit:.0%}"
        table.add_row(row.role, str(row.gpus), row.moment.name, gib(row.needed), share, row.verdict, parts)
    return table


def _number(value: float) -> str:
    """Two digits at least: small jobs take hundredths of an hour."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
