"""Stands in for the evaluation: keeps its contract and scores every student by its training step."""

import sys
from pathlib import Path
from typing import Any

import behaviour  # type: ignore[import-not-found]  # it lies beside this file, which is run as a program

from gopd_api.reports import Comparison, Difference, EvalProgress, EvalReport, GroupScore, Score
from gopd_api.requests import EvalRequest, EvalSubject, EvalTask

DIGEST = "sha256:" + "0" * 64


def main() -> int:
    part, request = sys.argv[1], EvalRequest.read(Path(sys.argv[3]).read_text())
    root = Path(request.paths.store).parent
    acts = behaviour.settings(root)
    with (root / "evaluated.log").open("a") as log:
        log.write(f"{part} {request.job.name} {','.join(subject.name for subject in request.subjects)}\n")
    phase: Any = {"generate": "generating", "grade": "grading", "compare": "comparing"}[part]
    progress = EvalProgress(
        request_digest=request.digest(), phase=phase, subject=request.subjects[0].name, done=1, total=2,
        heartbeat=behaviour.now(),
    )  # fmt: skip
    behaviour.write(request.paths.progress, progress.to_json())
    if acts.get("fail") == part:
        message = "tasks[0].data: told to fail; change behaviour.json"
        failed = EvalReport(request_digest=request.digest(), outcome="failed", reason="Error", message=message)
        behaviour.write(request.paths.report, failed.to_json())
        print(message, file=sys.stderr)
        return 1
    scores = [score(subject, task) for task in request.tasks for subject in request.subjects]
    if part == "grade":
        report = EvalReport(request_digest=request.digest(), outcome="succeeded", reason="Completed", scores=scores)
        behaviour.write(request.paths.report, report.to_json())
    if part == "compare":
        behaviour.write(request.paths.comparison, comparison(request, scores).to_json())
        behaviour.write(request.paths.page, "<!DOCTYPE html>")
    return 0


def score(subject: EvalSubject, task: EvalTask) -> Score:
    value = 0.9 if subject.role == "teacher" else 0.5 + 0.01 * (subject.step or 0)
    return Score(
        subject=subject.name, task=task.name, metric="avg@1", better="higher", value=value, ci_low=value - 0.1,
        ci_high=value + 0.1, problems=10, data_digest=DIGEST, generations_digest=DIGEST, grader="stand-in",
    )  # fmt: skip


def comparison(request: EvalRequest, scores: list[Score]) -> Comparison:
    level = next(score.value for score in scores if score.subject == request.baseline)
    differences = [
        Difference(
            subject=one.subject, baseline=request.baseline, task=one.task, metric=one.metric, better=one.better,
            difference=one.value - level, ci_low=one.value - level - 0.02, ci_high=one.value - level + 0.02,
            p_value=0.01, detectable=0.05, pairs=10, verdict="better" if one.value > level else "no difference shown",
        )
        for one in scores
        if one.subject != request.baseline
    ]  # fmt: skip
    groups = [
        GroupScore(group=group, task=scores[0].task, metric="avg@1", better="higher", value=0.5, repeats=1)
        for group in dict.fromkeys(subject.group for subject in request.subjects if subject.group)
    ]
    return Comparison(
        request_digest=request.digest(),
        baseline=request.baseline,
        scores=scores,
        differences=differences,
        groups=groups,
    )


sys.exit(main())
