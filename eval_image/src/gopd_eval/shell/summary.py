"""A command's last words for whoever started it: the ending as one line in a file, a pod's termination message.

The file is written in place, because a termination log is a mount that cannot be replaced. A summary that cannot be
written changes nothing about the end itself.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from gopd_api.endings import Ending, ShortScore, compact
from gopd_api.reports import Comparison, EvalReport, Score
from gopd_api.requests import EvalRequest


def succeeded(path: Path | None, request: EvalRequest, result: object) -> None:
    """Write that the command succeeded, with the scores of what it returned; quality before mere description."""
    scores = result.scores if isinstance(result, EvalReport | Comparison) else []
    steps = {subject.name: subject.step for subject in request.subjects}
    ordered: list[Score] = sorted(scores, key=lambda score: score.better == "neither")
    short = [ShortScore.of(score, steps.get(score.subject)) for score in ordered]
    ended(path, request.digest(), "succeeded", "Completed", scores=short)


def ended(
    path: Path | None,
    digest: str,
    outcome: Literal["succeeded", "failed", "stopped"],
    reason: str,
    message: str = "",
    scores: Sequence[ShortScore] = (),
) -> None:
    """Write the ending to `path`; nothing when there is none."""
    if path is None:
        return
    ending = Ending.fitting(digest, outcome, reason, message, scores)
    try:
        path.write_text(compact(ending), encoding="utf-8")
    except OSError as error:
        click.echo(f"--summary: {path} cannot be written ({error.strerror}); give a writable file", err=True)


def digest_of_text(text: str) -> str:
    """What stands for the digest of a request that cannot be read: that of its text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
