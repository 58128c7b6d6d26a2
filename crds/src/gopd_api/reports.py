"""Progress and reports: what the images write back, atomically, with the digest of the request they answer.

A report is a statement of what happened. It decides nothing: the operator reads it and plans.
"""

from typing import Annotated, Literal

from pydantic import Field

from gopd_api.base import Digest, Model, Name, Text

Note = Annotated[str, Field(max_length=4096)]


class SavedCheckpoint(Model):
    """A whole checkpoint on the storage."""

    step: int
    path: str
    """Folder to resume from; empty when only the export was kept."""
    export: str | None = None
    """Folder of the Hugging Face export."""
    digest: Digest | None = None
    """Digest of the exported weights."""


class Progress(Model):
    """How training stands. Rewritten as it goes on; the operator and the progress bar watch it."""

    version: Literal["gopd.io/progress/v1"] = "gopd.io/progress/v1"
    request_digest: Digest
    attempt: int
    phase: Literal["starting", "training", "saving", "finished", "failed", "stopped"]
    step: int = 0
    total_steps: int = 0
    resumed_from: int | None = None
    """Step of the checkpoint that this attempt started from; None before that is known, 0 without one."""
    checkpoints: list[SavedCheckpoint] = []
    mlflow_run_id: str | None = None
    heartbeat: str
    """UTC time (ISO 8601) of the last sign of life."""
    seconds_per_step: float | None = None
    metrics: dict[str, float] = {}
    """The newest step's main metrics, by their MLflow names."""


class TrainReport(Model):
    """How training ended."""

    version: Literal["gopd.io/train-report/v1"] = "gopd.io/train-report/v1"
    request_digest: Digest
    outcome: Literal["succeeded", "failed", "stopped"]
    reason: Text
    """One CamelCase word: Completed; Terminated, DeadlineNear, Superseded (stopped); Stalled, FailedSamples,
    InvalidInput, OutOfMemory, DiskFull, Died, Error (failed)."""
    message: Note = ""
    """What is wrong and what to do, in one or two sentences."""
    step: int = 0
    total_steps: int = 0
    resumed_from: int = 0
    seconds: float = 0
    checkpoints: list[SavedCheckpoint] = []
    mlflow_run_id: str | None = None
    metrics: dict[str, float] = {}


class EvalProgress(Model):
    """How an evaluation stands: answers drawn, or samples graded, of the subject and task at hand."""

    version: Literal["gopd.io/eval-progress/v1"] = "gopd.io/eval-progress/v1"
    request_digest: Digest
    phase: Literal["loading", "generating", "grading", "comparing", "finished", "failed"]
    subject: str | None = None
    task: str | None = None
    done: int = 0
    total: int = 0
    heartbeat: str


class Counts(Model):
    """What became of the samples. The verdicts add up: the sum of all other fields is `samples`."""

    samples: int
    correct: int = 0
    wrong: int = 0
    no_answer: int = 0
    """Ended without an answer."""
    truncated: int = 0
    """Cut at the length limit before an answer."""
    timeout: int = 0
    """Running or comparing it took too long."""
    memory: int = 0
    """Running it took too much memory."""
    crash: int = 0
    """Running or comparing it ended the process."""
    refused: int = 0
    """Not run or compared at all: an expression or a program beyond the limits."""


class Score(Model):
    """One metric of one subject on one task, with a 95 % interval clustered by problem."""

    subject: Name
    task: Name
    metric: Text
    """`avg@k` (share right, mean over problems), `pass@k`, `kl` (nats a token), `response_tokens`, `truncated`."""
    better: Literal["higher", "lower", "neither"]
    value: float
    standard_error: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    problems: int
    counts: Counts | None = None
    data_digest: Digest
    generations_digest: Digest
    grader: Text
    """Grader and its version."""


class EvalReport(Model):
    """Scores of every subject of a request."""

    version: Literal["gopd.io/eval-report/v1"] = "gopd.io/eval-report/v1"
    request_digest: Digest
    outcome: Literal["succeeded", "failed"]
    reason: Text
    message: Note = ""
    seconds: float = 0
    scores: list[Score] = []


class Difference(Model):
    """Subject minus baseline on one metric, paired by problem, with a 95 % interval clustered by problem."""

    subject: Text
    baseline: Text
    task: Name
    metric: Text
    better: Literal["higher", "lower", "neither"]
    difference: float
    ci_low: float | None = None
    """None when there is only one pair."""
    ci_high: float | None = None
    p_value: float | None = None
    """Two-sided: sign-flip (permutation) test over problems; for groups, of few repeats, the interval's t test."""
    detectable: float | None = None
    """Least true difference that this comparison would have shown with power 0.8 at the 5 % level."""
    pairs: int
    """Problems (for groups: repeats) that were paired."""
    verdict: Literal["better", "worse", "different", "no difference shown"]
    """`different`: shown, on a metric that is neither better higher nor lower."""


class GroupScore(Model):
    """Mean of a group's repeats on one metric, with a 95 % t interval over the repeats."""

    group: Text
    task: Name
    metric: Text
    better: Literal["higher", "lower", "neither"]
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    repeats: int
    subjects: list[Name] = []
    """The subjects that are its repeats."""


class Comparison(Model):
    """All subjects of a request against its baseline."""

    version: Literal["gopd.io/comparison/v1"] = "gopd.io/comparison/v1"
    request_digest: Digest
    baseline: Name
    scores: list[Score]
    differences: list[Difference]
    groups: list[GroupScore] = []
    group_differences: list[Difference] = []
    """Groups against every subject that is in no group (a fixed level), and against each other, paired by repeat where
    the repeats have the same names. Intervals are over repeats."""
