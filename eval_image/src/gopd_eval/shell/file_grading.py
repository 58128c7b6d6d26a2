"""`python -m gopd_eval grade-file`: verdicts on responses in a file, without a model, a store or a network.

Exit codes: 0 every response has a verdict; 1 the grading failed, in one sentence; 2 the files cannot be used, each
unusable line named, and nothing was graded; 3 interrupted. Problems without a response are named and count for nothing.
It decides how results are printed; what a verdict is, is decided by the graders.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from gopd_eval.core.answer_files import Files, answer_in, read_files, tests_in
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.grading import Preset, begin_grade, count, math_grader
from gopd_eval.core.samples import Grade
from gopd_eval.shell.equality import Equality, libraries
from gopd_eval.shell.golds import check_gold

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 3
SHOWN = ("sample", "verdict", "base", "detail", "answer")
NAMED = 20
"""Unusable lines that are named; of more, the number."""


@dataclass(frozen=True)
class Graded:
    """What came of two files."""

    grader: str
    grades: list[Grade]
    notices: list[str]
    isolation: str | None = None
    """What the sandbox enforced, where programs were run."""


@click.command("grade-file", help=__doc__)
@click.option("--grader", required=True, type=click.Choice(["math", "code"]))
@click.option("--preset", default="strict", show_default=True, type=click.Choice(["strict", "seed"]))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="JSON lines: id and answer, or EvalPlus.")
@click.option("--responses", required=True, type=click.Path(path_type=Path), help="JSON lines: id and response.")
@click.option("-o", "form", default="table", show_default=True, type=click.Choice(["table", "json"]))
def grade_file(
    grader: Literal["math", "code"], preset: Preset, data: Path, responses: Path, form: Literal["table", "json"]
) -> None:
    """Grade responses in a file."""
    try:
        if grader == "math":
            files = _read(data, responses, answer_in)
            graded = _grade_math(files, preset)
        else:
            tasks = _read(data, responses, tests_in)
            files, graded = tasks, _grade_code(tasks, preset)
    except EvaluationError as error:
        click.echo(f"grade-file: {error}", err=True)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        click.echo("grade-file: interrupted; nothing was kept", err=True)
        sys.exit(INTERRUPTED)
    for notice in [*_unanswered(files.unanswered), *graded.notices]:
        click.echo(f"grade-file: {notice}", err=True)
    click.echo(_json(graded, files.unanswered) if form == "json" else _table(graded))


def _read(data: Path, responses: Path, right_in: Callable[[dict[str, Any]], Any]) -> Files[Any]:
    """Both files, or the end of the command with every unusable line named."""
    try:
        with data.open("rb") as rights, responses.open("rb") as texts:
            files = read_files(rights, texts, (str(data), str(responses)), right_in)
    except OSError as error:
        click.echo(
            f"grade-file: {error.filename} cannot be read ({error.strerror}); give a file of JSON lines", err=True
        )
        sys.exit(UNUSABLE)
    for fault in files.faults[:NAMED]:
        click.echo(f"grade-file: {fault}", err=True)
    if len(files.faults) > NAMED:
        click.echo(f"grade-file: and {len(files.faults) - NAMED} more lines", err=True)
    if files.faults:
        sys.exit(UNUSABLE)
    return files


def _grade_math(files: Files[str], preset: Preset) -> Graded:
    with Equality(lambda: None) as equality:
        checked = files.right.items() if preset == "strict" else []
        faults = equality.in_order(lambda item: (item[0], check_gold(item[1], equality)), checked)
        notices = [f"the right answer of {name} cannot be met: {fault}; correct it" for name, fault in faults if fault]
        grades = equality.grades(begin_grade(one, files.right[one.problem], preset) for one in files.samples)
        return Graded(math_grader(preset, libraries()), list(grades), notices)


def _grade_code(files: Files[Any], preset: Preset) -> Graded:
    from gopd_eval.core.code.verdicts import CODE_GRADER_VERSION
    from gopd_eval.shell.code.grader import CodeGrader, CodeWork

    work = [CodeWork(sample, files.right[sample.problem]) for sample in files.samples]
    with CodeGrader(lambda: None) as grader:
        found = {(grade.problem, grade.sample): grade for grade in grader.grade(work, preset)}
        grades = [found[sample.problem, sample.sample] for sample in files.samples]
        return Graded(f"code/{preset} {CODE_GRADER_VERSION}", grades, [], grader.isolation)


def _unanswered(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"no response to {len(names)} problems: {', '.join(names[:NAMED])}{more}"]


def _shares(grades: Sequence[Grade]) -> dict[str, float]:
    """Share of right responses of each problem that has any."""
    right: dict[str, list[bool]] = defaultdict(list)
    for grade in grades:
        right[grade.problem].append(grade.verdict == "correct")
    return {name: sum(found) / len(found) for name, found in right.items()}


def _json(graded: Graded, unanswered: Sequence[str]) -> str:
    shares = _shares(graded.grades)
    result = {
        "grader": graded.grader,
        "problems": len(shares),
        "score": sum(shares.values()) / len(shares),
        "counts": count(graded.grades).model_dump(),
        "unanswered": unanswered,
        "notices": graded.notices,
        "isolation": graded.isolation,
        "samples": [
            {"id": g.problem, **{name: value for name, value in g.to_json().items() if name in SHOWN}}
            for g in graded.grades
        ],
    }
    return json.dumps(result, indent=1, ensure_ascii=True)


def _table(graded: Graded) -> str:
    shares, counts = _shares(graded.grades), count(graded.grades)
    rows = [
        f"{verdict.replace('_', ' '):<10} {number:>8} {number / counts.samples:>8.4f}"
        for verdict, number in counts.model_dump(exclude={"samples"}).items()
    ]
    score = sum(shares.values()) / len(shares)
    last = f"{counts.samples} responses to {len(shares)} problems; share right, mean over problems: {score:.4f}"
    grader = f"{graded.grader}; {graded.isolation}" if graded.isolation else graded.grader
    return "\n".join([grader, f"{'verdict':<10} {'samples':>8} {'share':>8}", *rows, last])
