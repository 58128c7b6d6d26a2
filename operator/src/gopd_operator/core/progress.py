"""From progress files to what is shown: one line or bar, the loss terms of the newest step, the time that is left.

Pure. It decides which of the trainer's metrics are worth a place on a line; it does not draw.
"""

from dataclasses import dataclass

from gopd_api.reports import EvalProgress, Progress

SHOWN = (
    ("train/loss", "loss"),
    ("train/advantage_mean", "advantage"),
    ("kl/teacher", "KL to teacher"),
    ("kl/reference", "KL to reference"),
    ("train/gradient_norm", "gradient"),
    ("rollout/response_tokens_mean", "tokens"),
)
"""MLflow names and words of the metrics that a line has room for, most telling first."""

PHASES = {
    "starting": "starting",
    "training": "training",
    "saving": "saving",
    "finished": "done",
    "failed": "failed",
    "stopped": "stopped",
    "loading": "loading models",
    "generating": "drawing answers",
    "grading": "grading",
    "comparing": "comparing",
}


@dataclass(frozen=True)
class Shown:
    """What a line or a bar says."""

    title: str
    done: int
    total: int
    """0 while it is not known."""
    unit: str
    details: tuple[str, ...] = ()
    seconds_left: float | None = None

    def line(self) -> str:
        """The whole as one line of text."""
        count = f"{self.unit} {self.done}/{self.total}" if self.total else ""
        left = [f"{duration(self.seconds_left)} left"] if self.seconds_left is not None else []
        return " · ".join(part for part in (self.title, count, *self.details, *left) if part)


def shown_training(progress: Progress) -> Shown:
    """The trainer's progress: steps, loss terms, resumed from where, and time left by the trainer's own pace."""
    details = [f"{word} {number(progress.metrics[name])}" for name, word in SHOWN if name in progress.metrics]
    if progress.resumed_from:
        details.append(f"resumed from step {progress.resumed_from}")
    left = None
    if progress.seconds_per_step is not None and progress.phase == "training":
        left = max(0, progress.total_steps - progress.step) * progress.seconds_per_step
    return Shown(PHASES[progress.phase], progress.step, progress.total_steps, "step", tuple(details), left)


def shown_evaluation(progress: EvalProgress) -> Shown:
    """The evaluation's progress: answers drawn or samples graded of the subject and task at hand, time left."""
    what = [part for part in (progress.subject, progress.task) if part]
    unit = "samples" if progress.phase == "grading" else "answers"
    return Shown(PHASES[progress.phase], progress.done, progress.total, unit, tuple(what), progress.seconds_left)


def number(value: float) -> str:
    """Four significant digits, without an exponent where none is needed."""
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
