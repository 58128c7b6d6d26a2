"""Where an evaluation's results lie: the keys of a subject's generations, divergences and grades on a task.

A key names everything that a result depends on, so that whatever has been drawn or graded once, by any job of a storage
root, is not done again. The batch size is left out: it does not change answers.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gopd_api.requests import Drawing, EvalTask
from gopd_eval.core.digests import key
from gopd_eval.core.measures import DIVERGENCE_VERSION
from gopd_eval.core.problems import Problem, data_digest, prompts_digest


@dataclass(frozen=True)
class Entry:
    """One subject on one task of a request, as `generate` left it for `grade` and `compare`."""

    subject: str
    task: str
    generations: str
    """Key below `generations/`."""
    problems: int
    data_digest: str
    divergences: str | None = None
    """Key below `divergences/`; None for a task without a teacher."""
    teacher_digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry as it is written."""
        return asdict(self)

    def grades_key(self, grader: str) -> str:
        """Key below `grades/`: other answers or another grader, with its preset and version, make other grades."""
        return key([self.generations, self.data_digest, grader])


def generation_parts(
    model_digest: str, problems: Sequence[Problem], task: EvalTask, sampling: Drawing, engine: str
) -> dict[str, Any]:
    """Everything that drawn answers depend on; its digest is the key, and it is kept beside the answers."""
    return {
        "model": model_digest,
        "prompts": prompts_digest(problems),
        "limit": task.limit,
        "samples": task.samples,
        "engine": engine,
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "maxResponseTokens": sampling.max_response_tokens,
        "seed": sampling.seed,
        "enableThinking": sampling.enable_thinking,
    }


def divergence_parts(generations: str, teacher_digest: str) -> dict[str, Any]:
    """Everything that divergences depend on."""
    return {"generations": generations, "teacher": teacher_digest, "version": DIVERGENCE_VERSION}


def make_entry(
    subject: str, task: EvalTask, problems: Sequence[Problem], generations: str, teacher_digest: str | None
) -> Entry:
    """The entry of one subject and task; `teacher_digest` is None for tasks without a teacher."""
    return Entry(
        subject=subject,
        task=task.name,
        generations=generations,
        problems=len(problems),
        data_digest=data_digest(problems),
        divergences=None if teacher_digest is None else key(divergence_parts(generations, teacher_digest)),
        teacher_digest=teacher_digest,
    )
