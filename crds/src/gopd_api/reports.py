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
    tracking_healthy: Literal[False] | None = None
    """False while what is recorded does not reach MLflow. Otherwise not given, so that earlier readers take it, too."""
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
    seconds_left: float | None = None
    """By the pace since this part of the work began; None until something is done."""
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
    """`avg@k` (share right, mean over problems), `pass@k`, `maj@k`, `kl` (nats a token), `response_tokens`,
    `truncated` (share cut at the length limit), `no_answer` (share that ended without one)."""
    better: Literal["higher", "lower", "neither"]
    headline: bool = True
    """False for a point of a curve, as pass@2 of 32 answers: it is not compared, and tables leave it out."""
    value: float
    standard_error: float | None = None
    """If other problems of this kind were asked: sd over problems / sqrt(problems)."""
    rerun_error: float | None = None
    """If these problems were asked again: sqrt(mean of s(1 - s) / (k - 1) / problems) for shares s of k answers."""
    ci_low: float | None = None
    ci_high: float | None = None
    quantiles: Annotated[list[float], Field(max_length=5)] = []
    """Of single answers, at 5, 25, 50, 75 and 95 %: of `response_tokens`."""
    problems: int
    samples: int = 1
    """Answers to each problem."""
    counts: Counts | None = None
    data_digest: Digest
    ids_digest: Digest | None = None
    """Digest of the problems' ids: equal where the same problems were asked, whatever the right answers were."""
    generations_digest: Digest
    grader: Text
    """Grader and its version."""


class MeanScore(Model):
    """Mean of one subject's share right over tasks, each task counting once, with a 95 % interval over all problems."""

    subject: Name
    tasks: Annotated[list[Name], Field(max_length=32)]
    metric: Text
    better: Literal["higher", "lower", "neither"]
    value: float
    standard_error: float | None = None
    rerun_error: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


class SubjectSetting(Model):
    """A subject as it was measured."""

    name: Name
    model: Text
    model_digest: Text | None = None
    """Digest of what decides the model's answers: weights, tokenizer, template."""


class TaskSetting(Model):
    """A task as it was run."""

    name: Name
    benchmark: Text
    preset: Text
    problems: int
    samples: int
    data_digest: Digest
    ids_digest: Digest
    grader: Text
    isolation: Note = ""
    """What kept generated code from doing harm, and what this kernel could not enforce. Empty: no code was run."""
    drawing: dict[str, str | int | float | bool | None] = {}
    """Everything besides model and problems that drawn answers depended on: engine, temperature, limits, seed."""


class Setting(Model):
    """What the numbers of a report were measured with: enough to see that two reports may be compared."""

    subjects: Annotated[list[SubjectSetting], Field(max_length=1024)]
    tasks: Annotated[list[TaskSetting], Field(max_length=32)]
    versions: dict[str, str] = {}
    """Of this project, Python and the libraries that graded."""


class EvalReport(Model):
    """Scores of every subject of a request."""

    version: Literal["gopd.io/eval-report/v1"] = "gopd.io/eval-report/v1"
    request_digest: Digest
    outcome: Literal["succeeded", "failed"]
    reason: Text
    message: Note = ""
    seconds: float = 0
    scores: list[Score] = []
    means: list[MeanScore] = []
    """Of each subject, where several tasks have a share right."""
    setting: Setting | None = None


class Contrast(Model):
    """Subject minus baseline on one metric."""

    subject: Text
    baseline: Text
    metric: Text
    better: Literal["higher", "lower", "neither"]
    difference: float
    ci_low: float | None = None
    """None when there is only one pair."""
    ci_high: float | None = None
    p_value: float | None = None
    """Two-sided: sign-flip (permutation) test over problems; for groups, of few repeats, the interval's t test."""
    adjusted_p: float | None = None
    """`p_value` adjusted by Holm's method for all subjects on this metric; None when nothing else was compared."""
    detectable: float | None = None
    """Least true difference that this comparison would have shown with power 0.8 at the 5 % level."""
    pairs: int
    """Problems (for groups: repeats) that were paired."""
    verdict: Literal["better", "worse", "different", "no difference shown"]
    """By interval and p, both. `different`: shown, on a metric that is neither better higher nor lower."""


class Difference(Contrast):
    """Subject minus baseline on one task, paired by problem, with a 95 % interval clustered by problem."""

    task: Name


class MeanDifference(Contrast):
    """Mean over tasks of a subject's paired differences from the baseline, each task counting once."""

    tasks: Annotated[list[Name], Field(max_length=32)]


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
    means: list[MeanScore] = []
    """Of each subject, where several tasks have a share right."""
    differences: list[Difference]
    mean_differences: list[MeanDifference] = []
    groups: list[GroupScore] = []
    group_differences: list[Difference] = []
    """Groups against every subject that is in no group (a fixed level), and against each other, paired by repeat where
    the repeats have the same names. Intervals are over repeats."""
    setting: Setting | None = None
