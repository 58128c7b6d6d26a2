"""Names and arithmetic of the metrics of a step: sums from the loss and timings from verl become what is recorded.

The loss counts in sums, because a mean of micro-batch means would depend on the micro-batch size. Names are stable:
they are what people compare in MLflow. Where a figure cannot be had it is left out, never guessed.
"""

from collections.abc import Mapping, Sequence

SUM, MAX = "gopd_sum", "gopd_max"
"""Prefixes of what the loss hands through verl's metrics, after verl's own `actor/`."""

PHASES = {
    "gen": "rollout",
    "update_actor": "update",
    "update_weights": "weight_sync",
    "save_checkpoint": "save",
    "step": "step",
}
"""verl's timers and the names they are recorded by. `rollout` is generation with scoring, which overlap."""


def step_metrics(raw: Mapping[str, float], teachers: Sequence[str]) -> dict[str, float]:
    """The loss's metrics of one step from verl's reduced `actor/...` values."""
    sums = {key.removeprefix(f"actor/{SUM}/"): value for key, value in raw.items() if key.startswith(f"actor/{SUM}/")}
    tops = {key.removeprefix(f"actor/{MAX}/"): value for key, value in raw.items() if key.startswith(f"actor/{MAX}/")}
    tokens = sums.get("tokens", 0.0)
    if not tokens:
        return {}
    mean = sums["advantage"] / tokens
    found = {
        "train/loss": raw["actor/distillation/loss"],
        "train/advantage_mean": mean,
        "train/advantage_std": max(0.0, sums["advantage_square"] / tokens - mean * mean) ** 0.5,
        "train/advantage_abs_max": tops["advantage_abs"],
        "importance/mean": sums["weight"] / tokens,
        "importance/max": tops["weight"],
        "importance/clipped_share": sums["weight_clipped"] / tokens,
        "importance/effective_sample_share": sums["weight"] ** 2 / (tokens * sums["weight_square"]),
        "importance/log_ratio_abs_max": tops["log_ratio_abs"],
        "kl/rollout": sums["log_ratio_rollout"] / tokens,
        "perf/trainer_memory_gib": tops["memory_gib"],
    }
    if "entropy" in sums:
        found["train/entropy"] = sums["entropy"] / tokens
    for key, name in (("actor/grad_norm", "train/gradient_norm"), ("actor/lr", "train/learning_rate")):
        if key in raw:
            found[name] = raw[key]
    return found | _by_teacher(sums, teachers)


def _by_teacher(sums: Mapping[str, float], teachers: Sequence[str]) -> dict[str, float]:
    """KL(student || teacher) and KL(student || reference), in nats a token, estimated on the sampled tokens."""
    found: dict[str, float] = {}
    to_teacher = to_reference = counted = referenced = 0.0
    for index, name in enumerate(teachers):
        tokens = sums.get(f"teacher{index}/tokens", 0.0)
        if not tokens:
            continue
        student_teacher = sums[f"teacher{index}/student_teacher"]
        found[f"kl/teacher/{name}"] = student_teacher / tokens
        found[f"train/advantage_mean/{name}"] = sums[f"teacher{index}/advantage"] / tokens
        found[f"train/token_share/{name}"] = tokens / sums["tokens"]
        to_teacher, counted = to_teacher + student_teacher, counted + tokens
        with_reference = sums.get(f"teacher{index}/reference_tokens", 0.0)
        if with_reference:
            student_reference = sums[f"teacher{index}/student_reference"]
            found[f"kl/reference/{name}"] = student_reference / with_reference
            to_reference, referenced = to_reference + student_reference, referenced + with_reference
    if counted:
        found["kl/teacher"] = to_teacher / counted
    if referenced:
        found["kl/reference"] = to_reference / referenced
    return found


def rollout_metrics(prompt_lengths: Sequence[int], response_lengths: Sequence[int], limit: int) -> dict[str, float]:
    """Lengths in tokens, and the share of answers that were cut at `limit` tokens."""
    count = len(response_lengths)
    return {
        "rollout/samples": float(count),
        "rollout/prompt_tokens_mean": sum(prompt_lengths) / count,
        "rollout/response_tokens_mean": sum(response_lengths) / count,
        "rollout/response_tokens_max": float(max(response_lengths)),
        "rollout/truncated_share": sum(length >= limit for length in response_lengths) / count,
    }


def timing_metrics(timings: Mapping[str, float], tokens: int) -> dict[str, float]:
    """Seconds of each phase and tokens a second over the whole step."""
    found = {f"perf/seconds_{name}": timings[key] for key, name in PHASES.items() if key in timings}
    if timings.get("step"):
        found["perf/tokens_per_second"] = tokens / timings["step"]
    return found
