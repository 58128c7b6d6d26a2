"""What a plan is: steps in an order that works, each with the request that its process is started with.

Types and questions to them only; how steps come about is decided in `workflow` and `comparing`.
"""

from dataclasses import dataclass
from typing import Literal

from gopd_api.objects import DistillationJob
from gopd_api.requests import EvalRequest, JobIdentity, Pools, TrainRequest
from gopd_operator.core.paths import JobPaths

StepKind = Literal["train", "evaluate", "compare"]


@dataclass(frozen=True)
class Step:
    """One thing to do: a process, or on a cluster pods, that answers one request."""

    name: str
    """Unique in the plan; in a sweep `<child>/<name>`."""
    kind: StepKind
    paths: JobPaths
    """Files of the job that the step belongs to: in a sweep, the child's."""
    request: TrainRequest | EvalRequest | None
    """None while something that it needs is not known; `undecided` says what."""
    after: tuple[str, ...] = ()
    """Steps that must have succeeded before this one starts."""
    checkpoint: int | None = None
    """The step needs no more of the training than its checkpoint after so many steps."""
    undecided: str = ""

    @property
    def own_name(self) -> str:
        """The name within the step's own job: the folder of an evaluation, the name of a log."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Training:
    """The size of one training: what it books and how long it is."""

    job: JobIdentity
    pools: Pools
    total_steps: int | None
    """None when `optimization.epochs` is given and the number of prompts is not known."""
    answers_per_step: int
    tokens_per_answer: int
    """Tokens of a prompt and its answer at most."""

    @property
    def most_tokens(self) -> int | None:
        """Tokens, prompts included, that the training goes through at most."""
        return None if self.total_steps is None else self.total_steps * self.answers_per_step * self.tokens_per_answer


@dataclass(frozen=True)
class Plan:
    """Everything that a job comes to."""

    job: JobIdentity
    kind: Literal["DistillationJob", "EvalJob"]
    paths: JobPaths
    steps: tuple[Step, ...]
    trainings: tuple[Training, ...] = ()
    children: tuple[DistillationJob, ...] = ()
    """The jobs of a sweep, one for each reward scale and seed."""

    def step(self, name: str) -> Step:
        """The step of that name; KeyError lists the names there are."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r} in the plan; there are {', '.join(step.name for step in self.steps)}")

    @property
    def last_comparison(self) -> Step | None:
        """The comparison that the job's result is read from, when it has one."""
        own = [step for step in self.steps if step.kind == "compare" and "/" not in step.name]
        return own[-1] if own else None
