"""A comparison as it might be, from seeded draws: three subjects, a competition in mathematics and a set of programs.

python -m tests.eval.made_up PAGE      writes its page, to be looked at
"""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gopd_api.reports import Comparison
from gopd_api.requests import EvalRequest
from gopd_eval.core.comparison import compare_subjects
from gopd_eval.core.measures import Measure, Origin, graded_measures
from gopd_eval.core.page.document import comparison_page
from gopd_eval.core.samples import Grade, Verdict
from gopd_eval.core.setting import setting_of
from gopd_eval.core.showing import ShownProblem, chosen_answers, chosen_problems, shown_answer, shown_problem
from gopd_eval.shell.page import style

SUBJECTS = {"qwen3-4b": 0.0, "student-step-120": 0.9, "teacher": 1.4}
TASKS = {"aime25": (30, 32), "mbpp-plus": (120, 4)}
LIMIT = 16384
ISOLATION = "rlimits, Landlock, seccomp; no network, no new processes"
DATA, IDS = "sha256:" + "5d" * 32, "sha256:" + "a7" * 32


def request() -> EvalRequest:
    """The request that the comparison answers."""
    paths = {name: f"/volume/{name}.json" for name in ("store", "data", "report", "comparison", "progress")}
    drawn: dict[str, Any] = {"temperature": 1.0, "topP": 1.0, "maxResponseTokens": LIMIT}
    return EvalRequest.model_validate(
        {
            "job": {"namespace": "default", "name": "exopd-against-its-teacher", "uid": "uid-1"},
            "subjects": [{"name": name, "model": f"hf://example/{name}@{'0' * 40}"} for name in SUBJECTS],
            "baseline": next(iter(SUBJECTS)),
            "tasks": [
                {"benchmark": "math", "name": task, "data": "/volume/d.jsonl", "samples": samples, **drawn}
                for task, (_, samples) in TASKS.items()
            ],
            "sampling": {},
            "accelerator": "gpu",
            "paths": paths,
            "tracking": {"experiment": "test", "runName": "run"},
        }
    )


def grades_of(subject: str, task: str) -> tuple[list[Grade], dict[str, list[int | None]]]:
    """The grades of all answers, and which of them mean the same."""
    problems, samples = TASKS[task]
    shared = np.random.default_rng(7)
    hard = np.where(shared.random(problems) < 0.5, -2.6, 2.2) + shared.normal(0, 1.2, problems)
    own = np.random.default_rng(len(subject))
    chances = 1 / (1 + np.exp(-(hard + SUBJECTS[subject] + own.normal(0, 0.6, problems))))
    grades: list[Grade] = []
    classes: dict[str, list[int | None]] = {}
    for number, chance in enumerate(chances):
        name = f"{number:06d}-{'0123456789ab'}"
        classes[name] = []
        for sample in range(samples):
            right = own.random() < chance
            tokens = int(min(LIMIT, own.lognormal(8.1 if right else 9.0, 0.5)))
            verdict = "correct" if right else _failure(own, task, tokens)
            answer = None if verdict in ("truncated", "no_answer") else str(number if right else own.integers(1, 4))
            classes[name].append(None if answer is None else 0 if right else int(answer))
            finish = "length" if tokens == LIMIT else "stop"
            grades.append(Grade(name, sample, verdict, "box" if right else "", answer, tokens, finish))  # type: ignore[arg-type]
    return grades, classes


def _failure(own: np.random.Generator, task: str, tokens: int) -> Verdict:
    if tokens == LIMIT:
        return "truncated"
    if task == "mbpp-plus" and own.random() < 0.1:
        return "timeout" if own.random() < 0.7 else "crash"
    return "no_answer" if own.random() < 0.06 else "wrong"


@cache
def measures_of() -> list[Measure]:
    """The measures of every subject on every task."""
    found = []
    for subject in SUBJECTS:
        for task, (_, samples) in TASKS.items():
            grades, classes = grades_of(subject, task)
            code = task == "mbpp-plus"
            origin = Origin(subject, task, DATA, IDS, ISOLATION if code else "")
            grader = "code/strict 1" if code else "math/strict 2 (math-verify 0.9.0)"
            measures = graded_measures(origin, grades, samples, grader, {} if code else classes)
            base = replace(measures[0], metric=f"base_avg@{samples}", headline=False, grades=())
            found += [*measures, *[base] * code]
    return found


@cache
def comparison() -> Comparison:
    """The comparison of the three."""
    asked, measures = request(), measures_of()
    parts = {"engine": "vllm 0.24.0", "temperature": 1.0, "topP": 1.0, "maxResponseTokens": LIMIT, "seed": 0}
    manifests = {(name, task): {"model": "sha256:" + "c4" * 32, **parts} for name in SUBJECTS for task in TASKS}
    versions = {"gopd": "0.1.0", "python": "3.11.7", "math-verify": "0.9.0"}
    return compare_subjects(asked, measures, setting_of(asked, measures, manifests, versions))


def shown(text: str = "First I add the numbers.\nThe answer is \\boxed{42}.") -> list[ShownProblem]:
    """Problems to read; every response is `text`."""
    found = []
    for task in TASKS:
        graded = {m.origin.subject: m for m in measures_of() if m.origin.task == task and m.grades}
        for problem, why in chosen_problems({name: m.values for name, m in graded.items()}).items():
            own = {name: [g for g in m.grades if g.problem == problem] for name, m in graded.items()}
            verdicts = {name: [grade.verdict for grade in grades] for name, grades in own.items()}
            answers = {
                name: [shown_answer(one, text) for one in chosen_answers(grades)] for name, grades in own.items()
            }
            prompt = f"Find the sum of all integers below {problem} that divide 360 & are even."
            found.append(shown_problem(task, problem, why, prompt, "42", verdicts, answers))
    return found


def page(text: str = "First I add the numbers.\nThe answer is \\boxed{42}.") -> str:
    """The page of the comparison, whose responses are all `text`."""
    return comparison_page(comparison(), request().job.name, shown(text), style())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
