"""What a DistillationJob needs, worked out before anything is booked: GPUs, memory by role, steps, tokens, GPU-hours.

The operator calls `plan_status` and `refusal` with the facts that the inspection found; `gopd plan` shows `memory_plan`
in full. Models without facts have no row and refuse nothing. How much a part takes is worked out in `memory`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gopd_api.effective import Server, needed_servers, pools, trainer_gpus
from gopd_api.inspection import ModelFacts
from gopd_api.objects import DistillationJobSpec
from gopd_api.status import GpuHours, PlanStatus, RoleMemory
from gopd_operator.core.cost import hours
from gopd_operator.core.distilling import total_steps
from gopd_operator.core.engine_settings import FSDP, ROLLOUT, EngineSettings
from gopd_operator.core.memory import GIB, Moment, answers_moment, scoring_moment, update_moment

TIGHT = 0.9
"""Share of a GPU above which fragmentation and what is not counted may fill the rest."""
Verdict = Literal["fits", "tight", "may not fit", "does not fit"]
"""`may not fit`: only with what versions and kernels may do without; that is said and not refused."""


@dataclass(frozen=True)
class MemoryRow:
    """One role at one moment."""

    role: str
    """`student`, or the name of a scoring server."""
    model: str
    gpus: int
    moment: Moment
    limit: int
    """Bytes of one GPU."""
    remedy: str
    """What to do where it is tight or does not fit, in the fields of the spec."""

    @property
    def needed(self) -> int:
        """Bytes on one GPU; where vLLM's share is too small for what it must hold: what it would have to be."""
        return self.moment.total + max(0, self.moment.least_share - self.moment.share)

    @property
    def verdict(self) -> Verdict:
        """Whether it fits."""
        if self.needed - self.moment.uncertain > self.limit or self.moment.least_share > self.moment.share:
            return "does not fit"
        if self.needed > self.limit:
            return "may not fit"
        return "tight" if self.needed > TIGHT * self.limit else "fits"

    def words(self) -> str:
        """What is wrong, with the remedy."""
        place = f"{self.model} as {self.role} ({self.moment.name})"
        if self.moment.least_share > self.moment.share:
            lacks = f"vLLM has {gib(self.moment.share)} GiB of a GPU and needs {gib(self.moment.least_share)}"
            return f"{place}: {lacks} for weights and one longest answer; {self.remedy}"
        return f"{place}: needs {gib(self.needed)} of {gib(self.limit)} GiB of a GPU; {self.remedy}"


@dataclass(frozen=True)
class MemoryPlan:
    """The rows of all roles whose models are known."""

    rows: tuple[MemoryRow, ...]
    unknown: tuple[str, ...]
    """Models whose size is not known."""

    @property
    def fullest(self) -> tuple[MemoryRow, ...]:
        """One row a role: its fullest moment."""
        found: dict[str, MemoryRow] = {}
        for row in self.rows:
            old = found.get(row.role)
            if old is None or _badness(row) > _badness(old):
                found[row.role] = row
        return tuple(found.values())


def gib(count: float) -> str:
    """Bytes as GiB with one decimal."""
    return f"{count / GIB:.1f}"


def memory_plan(spec: DistillationJobSpec, facts: Mapping[str, ModelFacts]) -> MemoryPlan:
    """Memory of every role on one of its GPUs, by the facts of the models that the spec names. Empty on processors."""
    if spec.compute.accelerator == "cpu":
        return MemoryPlan((), ())
    limit = spec.compute.gpu_memory_gib * GIB
    tokens = spec.data.max_prompt_tokens + spec.data.max_response_tokens
    rows = _student_rows(spec, facts.get(spec.student.model), tokens, limit)
    scoring = needed_servers(spec)
    for server in scoring:
        if known := facts.get(server.model):
            moment = scoring_moment(known, server.dtype, server.tensor_parallel, tokens, limit)
            remedy = _scoring_remedy(server, moment)
            rows.append(MemoryRow(server.name, server.model, server.gpus, moment, limit, remedy))
    named = dict.fromkeys([spec.student.model, *(server.model for server in scoring)])
    return MemoryPlan(tuple(rows), tuple(model for model in named if model not in facts))


def _student_rows(spec: DistillationJobSpec, facts: ModelFacts | None, tokens: int, limit: int) -> list[MemoryRow]:
    if facts is None:
        return []
    settings, gpus = EngineSettings.of(spec), trainer_gpus(pools(spec))
    update = update_moment(facts, settings, tokens, limit)
    answers = answers_moment(facts, settings, tokens, limit)
    return [
        MemoryRow("student", spec.student.model, gpus, update, limit, _update_remedy(spec, settings, update)),
        MemoryRow("student", spec.student.model, gpus, answers, limit, _answers_remedy(settings, answers)),
    ]


def _update_remedy(spec: DistillationJobSpec, settings: EngineSettings, moment: Moment) -> str:
    """Against states: more GPUs or FSDP2's offload (verl's own brings them back). Against tokens: fewer at once."""
    states = moment.parts["weights"] + moment.parts["gradients"] + moment.parts["moments"]
    if states > moment.total / 2:
        return f'raise compute.gpusPerNode or compute.nodes, or set overrides {FSDP}.offload_policy: "true"'
    if settings.micro_batch > 1:
        return "lower optimization.microBatchSize"
    if not settings.checkpointing:
        return "remove the override of enable_gradient_checkpointing"
    width = 2 * settings.sequence_parallel
    return f"lower data.maxResponseTokens, or set overrides {FSDP}.ulysses_sequence_parallel_size: {width}"


def _answers_remedy(settings: EngineSettings, moment: Moment) -> str:
    if moment.least_share > moment.share:
        return f"set overrides {ROLLOUT}.tensor_model_parallel_size: {2 * settings.rollout_parallel}"
    if not settings.offload_moments:
        return (
            f'set overrides {FSDP}.param_offload and {FSDP}.optimizer_offload: "true", or a lower '
            f"{ROLLOUT}.gpu_memory_utilization"
        )
    return f"set overrides {ROLLOUT}.gpu_memory_utilization lower than {settings.rollout_share:g}"


def _scoring_remedy(server: Server, moment: Moment) -> str:
    if moment.least_share > moment.share:
        wider = 2 * server.tensor_parallel
        while wider < 64 and moment.least_share * server.tensor_parallel > moment.share * wider:
            wider *= 2  # heads are divided by powers of two in nearly every model
        return f"set teachers[].tensorParallel of {server.teachers[0]} to {wider}"
    return "lower data.maxPromptTokens or maxResponseTokens, or take GPUs with more memory (compute.gpuMemoryGiB)"


def _badness(row: MemoryRow) -> tuple[bool, int]:
    """What makes a moment worse than another of the same role: that it is refused, else how full it is."""
    return row.verdict == "does not fit", row.needed


def plan_status(spec: DistillationJobSpec, facts: Mapping[str, ModelFacts], prompts: int | None) -> PlanStatus:
    """The plan as status shows it; `facts` by the models' names as the spec has them. On processors no GPU is booked.

    Of a sweep, tokens and GPU-hours are those of all its jobs.
    """
    booked = pools(spec)
    gpu = spec.compute.accelerator == "gpu"
    own = trainer_gpus(booked) if gpu else 0
    theirs = booked.teacher_gpus_per_node * booked.teacher_nodes if gpu else 0
    steps = total_steps(spec, prompts)
    jobs = spec.sweep.size() if spec.sweep else 1
    answers = spec.optimization.batch_size * spec.sampling.samples_per_prompt
    length = spec.data.max_prompt_tokens + spec.data.max_response_tokens
    booked_hours = hours(spec, facts, steps)
    return PlanStatus(
        gpus=own + theirs,
        trainer_gpus=own,
        teacher_gpus=theirs,
        total_steps=steps,
        tokens=None if steps is None else jobs * steps * answers * length,
        gpu_hours=None
        if booked_hours is None
        else GpuHours(low=round(jobs * booked_hours.low, 2), high=round(jobs * booked_hours.high, 2)),
        memory=[
            RoleMemory(
                role=row.role[:256],
                gpus=row.gpus,
                gib_per_gpu=round(row.needed / GIB, 1),
                limit_gib=spec.compute.gpu_memory_gib,
                fits=row.verdict in ("fits", "tight"),
            )
            for row in memory_plan(spec, facts).fullest
        ][:40],
    )


def refusal(spec: DistillationJobSpec, facts: Mapping[str, ModelFacts]) -> str | None:
    """Why the job cannot succeed, with what to change; None where nothing speaks against it.

    Only what is certain is held against it: neither models without facts, nor memory that some versions do without.
    """
    words = [row.words() for row in memory_plan(spec, facts).fullest if row.verdict == "does not fit"]
    return "; ".join(words)[:1024] or None
