"""`gopd run`: from an object to its result on this machine, and what is said at the end.

Order: what is finished is shown again; otherwise inputs are checked, then the plan is done. It decides the words;
what is done is in `local`, what is checked in `preflight`.
"""

import errno
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.reports import Comparison, Progress, TrainReport
from gopd_operator.core.attempts import Policy
from gopd_operator.core.comparing import SubjectFault
from gopd_operator.core.paths import below
from gopd_operator.core.plan import Plan
from gopd_operator.core.workflow import Observed, Surroundings, plan
from gopd_operator.shell.answers import log_file
from gopd_operator.shell.attempt import Programs
from gopd_operator.shell.errors import PreflightError, RunError
from gopd_operator.shell.files import read_as
from gopd_operator.shell.jobs_on_disk import checkpoints_for
from gopd_operator.shell.local import RunOutcome, finished, run_plan
from gopd_operator.shell.preflight import check
from gopd_operator.shell.prompts import read_prompts
from gopd_operator.shell.results import show_comparison
from gopd_operator.shell.screen import screen_for
from gopd_operator.shell.tracking_page import database, tracking_uri

SUCCEEDED, FAILED, STOPPED = 0, 1, 3
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""No space, no quota, or a limit on the size of files: the remedy is the same."""


@dataclass(frozen=True)
class Command:
    """The command line that a person typed, to be told again."""

    file: str
    workdir: str
    program: str = "gopd"
    """What to type for it: its path where the shell would not find the name."""

    def again(self) -> str:
        """The same command."""
        return f"{self.program} run {self.file}" + self.option()

    def option(self) -> str:
        """`--workdir`, where it is not the default."""
        return "" if self.workdir == "runs" else f" --workdir {self.workdir}"


def observe(job: DistillationJob | EvalJob, root: Path) -> tuple[Observed, list[str]]:
    """What the plan needs to know of this machine's files, with notes on it."""
    if isinstance(job, EvalJob):
        found, notes = checkpoints_for(job, root)
        return Observed(checkpoints=found), notes
    data = job.spec.data
    file = Path(below(str(root), data.train))
    if job.spec.optimization.epochs is None or not file.is_file():
        return Observed(), []
    prompts = read_prompts(file, data)
    return Observed(prompts=None if prompts.faults else prompts.count), []


def run_object(job: DistillationJob | EvalJob, command: Command, console: Console, programs: Programs) -> int:
    """Run the object to its end and return the exit code. Raises GopdError with what is wrong."""
    root = Path(command.workdir).resolve()
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    screen = screen_for(console)
    observed, notes = observe(job, root)
    try:
        made = plan(job, Surroundings(str(root), tracking_uri(root)), observed)
    except SubjectFault as error:
        raise RunError(f"spec.subjects: {error}") from None
    if finished(made):
        say(f"{job.metadata.name} is finished already; its result again ({made.paths.folder}):")
        show_end(made, command, console)
        return SUCCEEDED
    found = check(job, root)
    for note in [*notes, *found.notes]:
        screen.note(note)
    if found.faults:
        raise PreflightError(found.faults)
    say(f"{job.kind} {job.metadata.name}: {len(made.steps)} steps in {made.paths.folder}")
    try:
        outcome = run_plan(made, Policy.of(job.spec.lifecycle), screen, programs)
    except OSError as error:
        raise RunError(disk_words(error, root)) from error
    return _ended(outcome, made, command, console)


def disk_words(error: OSError, root: Path) -> str:
    """What to do about a work directory that cannot be written."""
    where = error.filename or root
    if error.errno in FULL:
        return (
            f"the disk of {where} is full; free some space and run the same command again, it goes on where it stopped"
        )
    return f"{where} cannot be written ({os.strerror(error.errno or 0)}); choose another folder with --workdir"


def _ended(outcome: RunOutcome, made: Plan, command: Command, console: Console) -> int:
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    if outcome.outcome == "succeeded":
        show_end(made, command, console)
        return SUCCEEDED
    if outcome.outcome == "failed":
        say(outcome.message)
        say(f"when it is mended, the same command goes on: {command.again()}")
        return FAILED
    saved = read_as(Progress, Path(made.step(outcome.step).paths.for_training().progress))
    steps = [one.step for one in saved.checkpoints if one.path] if saved else []
    since = f", from step {max(steps)}" if steps and made.step(outcome.step).kind == "train" else ""
    said = f": {outcome.message}" if outcome.message else ""
    say(f"stopped at {outcome.step}{said}")
    say(f"log: {log_file(made.step(outcome.step))}")
    say(f"Go on{since} with: {command.again()}")
    return STOPPED


def show_end(made: Plan, command: Command, console: Console) -> None:
    """The result's tables, where things are, and what to type next."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    step = made.last_comparison
    paths = step.paths.for_evaluation(step.own_name) if step else None
    comparison = read_as(Comparison, Path(paths.comparison)) if paths else None
    if paths is not None and comparison is not None:
        show_comparison(console, comparison)
        say(f"comparison:  {paths.comparison}")
        if Path(paths.page).is_file():
            say(f"its page:    {paths.page}")
    trained = [one for one in made.steps if one.kind == "train"]
    exports = [export for one in trained if (export := _last_export(one.paths.folder)) is not None]
    if len(trained) > 1:
        jobs = trained[0].paths.folder.parent
        say(f"{len(exports)} students, each with its checkpoints beside its exports, below {jobs}:")
        for export in exports:
            say(f"  {Path(export).relative_to(jobs)}")
    for one in trained if len(trained) == 1 else []:
        say(f"checkpoints: {one.paths.for_training().checkpoints}")
        for export in exports:
            say(f"student:     {export}")
    if page := _page(made, command):
        say(f"MLflow page: {page}")
    say(f"compare it:  {command.program} compare {made.job.name}{command.option()} [another run]")
    for export in exports[-1:]:
        say(f'load it:     transformers.AutoModelForCausalLM.from_pretrained("{export}")')


def _page(made: Plan, command: Command) -> str | None:
    """Where the recorded runs are seen, or None when there are none."""
    root = Path(made.paths.root)
    used = {step.request.tracking.uri for step in made.steps if step.request is not None}
    if tracking_uri(root) in used:
        return f"{command.program} ui{command.option()}" if database(root).is_file() else None
    return next((uri for uri in used if uri), None)


def _last_export(folder: object) -> str | None:
    report = read_as(TrainReport, Path(str(folder)) / "report.json")
    exports = [one.export for one in report.checkpoints if one.export] if report else []
    return exports[-1] if exports else None
