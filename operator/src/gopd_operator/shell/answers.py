"""The files that a step leaves behind: whether it is answered already, and what its newest attempt has said.

An answer counts when it carries the digest of the step's request. A report of an earlier attempt is put aside before
the next one starts, because both carry the same digest. It reads and moves files; what follows is decided in
`core.attempts`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gopd_api.reports import Comparison, EvalProgress, EvalReport, Progress, TrainReport
from gopd_api.requests import TrainRequest
from gopd_operator.core.plan import Step
from gopd_operator.core.progress import Shown, shown_evaluation, shown_training
from gopd_operator.shell.files import read_as


@dataclass(frozen=True)
class Said:
    """What a step's report says."""

    outcome: Literal["succeeded", "failed", "stopped"]
    reason: str
    message: str
    step: int | None = None
    """Training step that was reached."""


def request_file(step: Step) -> Path:
    """Where the step's request is written for its process."""
    if step.kind == "train":
        return Path(step.paths.train_request)
    return Path(step.paths.evaluation(step.own_name).request)


def log_file(step: Step) -> Path:
    """Where the step's processes print to."""
    return Path(step.paths.log(step.own_name))


def said(step: Step) -> Said | None:
    """What the step's report says, when there is one that answers the step's request."""
    if step.request is None:
        return None
    digest = step.request.digest()
    if step.kind == "train":
        report = read_as(TrainReport, Path(step.paths.report))
        if report is None or report.request_digest != digest:
            return None
        return Said(report.outcome, report.reason, report.message, report.step)
    paths = step.paths.evaluation(step.own_name)
    if step.kind == "compare":
        comparison = read_as(Comparison, Path(paths.comparison))
        if comparison is not None and comparison.request_digest == digest:
            return Said("succeeded", "Completed", "")
    answer = read_as(EvalReport, Path(paths.report))
    if answer is None or answer.request_digest != digest or (step.kind == "compare" and answer.outcome == "succeeded"):
        return None
    return Said(answer.outcome, answer.reason, answer.message)


def answered(step: Step) -> bool:
    """Whether the step has succeeded already."""
    answer = said(step)
    return answer is not None and answer.outcome == "succeeded"


def put_aside(step: Step, attempt: int) -> None:
    """Move what an earlier attempt reported out of the way, and keep it."""
    report = Path(step.paths.report if step.kind == "train" else step.paths.evaluation(step.own_name).report)
    if report.exists():
        kept = Path(step.paths.scratch) / "reports" / f"{step.own_name}-before-attempt-{attempt}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        report.replace(kept)


@dataclass(frozen=True)
class Sign:
    """The newest sign of life of a step's process."""

    heartbeat: str
    shown: Shown
    attempt: int = 0


def sign_of_life(step: Step) -> Sign | None:
    """What the progress file says, when it answers the step's request."""
    if step.request is None:
        return None
    digest = step.request.digest()
    if isinstance(step.request, TrainRequest):
        training = read_as(Progress, Path(step.request.paths.progress))
        if training is None or training.request_digest != digest:
            return None
        return Sign(training.heartbeat, shown_training(training), training.attempt)
    evaluation = read_as(EvalProgress, Path(step.request.paths.progress))
    if evaluation is None or evaluation.request_digest != digest:
        return None
    return Sign(evaluation.heartbeat, shown_evaluation(evaluation))
