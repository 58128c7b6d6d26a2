"""How long a distillation books its GPUs: floating-point operations, bytes read while answers are drawn, GPU-hours.

A range, because two things are not known before: how long answers are, and how well the GPUs are used. Steps that the
trainer runs: draw answers, score them (while others are drawn), one update. Evaluations, saving, start and waiting are
not counted. A GPU is taken for an H100: 989 TFLOP/s in bfloat16 without sparsity, 3.35 TB/s (NVIDIA's data sheet).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gopd_api.effective import Server, needed_servers, pools, trainer_gpus
from gopd_api.inspection import ModelFacts
from gopd_api.objects import DistillationJobSpec
from gopd_operator.core.engine_settings import EngineSettings
from gopd_operator.core.memory import BFLOAT16, GIB, answers_moment

PEAK_FLOPS = 989e12
BANDWIDTH = 3.35e12
MOST_AT_ONCE = 256
"""Answers that vLLM draws at once on one GPU (`max_num_seqs`)."""


@dataclass(frozen=True)
class Efficiency:
    """What is assumed of a run."""

    length: float
    """Length of prompts and answers, as a share of the longest allowed."""
    compute: float
    """Share of the peak that updates and scoring reach."""
    reading: float
    """Share of the memory's bandwidth that drawing reaches."""


BEST = Efficiency(length=0.25, compute=0.45, reading=0.7)
WORST = Efficiency(length=1.0, compute=0.25, reading=0.4)


@dataclass(frozen=True)
class Hours:
    """GPU-hours of one training, all booked GPUs together."""

    low: float
    high: float


def forward_flops(facts: ModelFacts, length: float) -> float:
    """Operations of one token's forward pass in sequences of `length` tokens.

    Two a parameter that the token goes through (Kaplan et al., arXiv 2001.08361, 2.1), and in each layer four a unit of
    attention's width and token attended to, of which there are half the length on average (PaLM, arXiv 2204.02311,
    appendix B, halved for causal attention).
    """
    through = facts.active or facts.parameters
    return 2.0 * through + 2.0 * facts.layers * (facts.attention or facts.hidden) * length


def update_flops(facts: ModelFacts, length: float, checkpointing: bool = True) -> float:
    """Operations of one token's update: forward, backward (twice that), and with checkpointing forward again."""
    return (4 if checkpointing else 3) * forward_flops(facts, length)


def drawing_seconds(facts: ModelFacts, answers: int, prompt: float, response: float, cache: int, speed: float) -> float:
    """Seconds in which one GPU draws `answers` answers: the bytes it reads, at `speed` bytes a second.

    For each token the keys and values before it, and for each round of tokens the weights once; as many answers at once
    as the cache holds (Pope et al., arXiv 2211.05102, 2: decoding is bound by memory). Prefill is not counted.
    """
    per_answer = facts.kv_bytes_per_token * (prompt + response / 2)
    at_once = max(1.0, min(MOST_AT_ONCE, answers, cache / max(1.0, per_answer)))
    rounds = response * max(1.0, answers / at_once)
    weights = (facts.active or facts.parameters) * BFLOAT16
    if facts.active and at_once > 8:
        weights = facts.parameters * BFLOAT16  # many tokens at once go through nearly every expert
    return (answers * response * per_answer + rounds * weights) / speed


def hours(spec: DistillationJobSpec, facts: Mapping[str, ModelFacts], steps: int | None) -> Hours | None:
    """GPU-hours of one training; None on processors and where the steps or a model are not known."""
    servers = needed_servers(spec)
    known = all(model in facts for model in [spec.student.model, *(server.model for server in servers)])
    if spec.compute.accelerator == "cpu" or steps is None or not known:
        return None
    booked = pools(spec)
    gpus = trainer_gpus(booked) + booked.teacher_gpus_per_node * booked.teacher_nodes
    low, high = (gpus * steps * _step_seconds(spec, facts, servers, how) / 3600 for how in (BEST, WORST))
    return Hours(low, high)


def _step_seconds(
    spec: DistillationJobSpec, facts: Mapping[str, ModelFacts], servers: list[Server], how: Efficiency
) -> float:
    """Seconds of one step: drawing and scoring side by side, then the update."""
    student, own = facts[spec.student.model], max(1, trainer_gpus(pools(spec)))
    answers = spec.optimization.batch_size * spec.sampling.samples_per_prompt
    prompt, response = how.length * spec.data.max_prompt_tokens, how.length * spec.data.max_response_tokens
    length, settings = prompt + response, EngineSettings.of(spec)
    longest = spec.data.max_prompt_tokens + spec.data.max_response_tokens
    room = answers_moment(student, settings, longest, spec.compute.gpu_memory_gib * GIB).parts["rollout cache"]
    drawing = drawing_seconds(student, -(-answers // own), prompt, response, room, how.reading * BANDWIDTH)
    # Every teacher scores its own domains' answers, taken as equal parts; a reference those of all its teachers.
    parts = [answers * len(server.teachers) / len(spec.teachers) / server.gpus for server in servers]
    per_gpu = [part * length * forward_flops(facts[s.model], length) for part, s in zip(parts, servers, strict=True)]
    scoring = max(per_gpu, default=0.0) / (how.compute * PEAK_FLOPS)
    update = answers * length * update_flops(student, length, settings.checkpointing) / own
    return max(drawing, scoring) + update / (how.compute * PEAK_FLOPS)
