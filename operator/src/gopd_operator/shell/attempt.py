"""One attempt at a step: start its processes, watch them, pass on a wish to stop, and see how they ended.

A step that shows no new heartbeat within the policy's limit is ended. The first wish to stop asks the process to save
and waits as long as that takes; the second ends everything. What the end means is decided in `core.attempts`.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gopd_api.requests import TrainRequest
from gopd_operator.core.attempts import Ended
from gopd_operator.core.plan import Step
from gopd_operator.shell.answers import log_file, request_file, said, sign_of_life
from gopd_operator.shell.child import Child, end_marked
from gopd_operator.shell.files import last_lines, write_whole
from gopd_operator.shell.screen import Screen
from gopd_operator.shell.signals import Stopping

POLL_SECONDS = 0.2
LEFTOVER_SECONDS = 5.0
"""Time that daemons of an ended process have to end by themselves."""
SAVE_SECONDS = 600.0
"""Time to save in once the deadline has passed; a person who stops a run decides for themselves."""


@dataclass(frozen=True)
class Programs:
    """How the images' programs are started on this machine: -P keeps the current folder out of their imports."""

    train: Sequence[str] = field(default_factory=lambda: [sys.executable, "-P", "-m", "gopd_trainer"])
    evaluate: Sequence[str] = field(default_factory=lambda: [sys.executable, "-P", "-m", "gopd_eval"])

    def commands(self, step: Step) -> list[list[str]]:
        """The processes of a step, one after the other."""
        request = ["--request", str(request_file(step))]
        if step.kind == "train":
            return [[*self.train, *request]]
        # A comparison's own request has an index of the store made by `generate`, which draws only what is missing.
        parts = ["generate", "grade"] if step.kind == "evaluate" else ["generate", "compare"]
        return [[*self.evaluate, part, *request] for part in parts]


@dataclass(frozen=True)
class Watch:
    """What an attempt is watched by."""

    screen: Screen
    stopping: Stopping
    stall_after_seconds: float
    deadline: float | None
    """Monotonic time at which the run must save and end."""


def attempt(step: Step, number: int, programs: Programs, watch: Watch, save_before_unix: float | None) -> Ended:
    """Run the step's processes once and return how the last of them ended."""
    assert step.request is not None, f"{step.name} is undecided and cannot be started"
    request = step.request
    if isinstance(request, TrainRequest):
        limits = request.limits.model_copy(update={"save_before_unix": save_before_unix})
        request = request.model_copy(update={"attempt": number, "limits": limits})
    write_whole(request_file(step), request.to_json())
    ended = Ended(0, None)
    for command in programs.commands(step):
        ended = _run(step, command, watch)
        if ended.exit_code != 0 or ended.asked_to_stop or ended.stalled:
            break
    answer = said(step)
    if answer is None:
        return replace(ended, message=" ".join(last_lines(log_file(step), 1)) if ended.exit_code > 0 else "")
    return Ended(ended.exit_code, answer.outcome, answer.reason, answer.message, ended.stalled, ended.asked_to_stop)


def _run(step: Step, command: Sequence[str], watch: Watch) -> Ended:
    """Start one process and stay with it until it and everything that it started have ended."""
    assert step.request is not None
    folder = Path(step.paths.folder)
    child = Child(command, log_file(step), step.request.job.uid, folder)
    try:
        ended = _stay(step, child, watch)
    except BaseException:  # nothing that was started outlives an error of ours; the error is passed on
        child.kill()
        raise
    end_marked(folder, LEFTOVER_SECONDS if ended.exit_code >= 0 else 0)
    return ended


def _stay(step: Step, child: Child, watch: Watch) -> Ended:
    last, alive_at, asked_at = sign_of_life(step), time.monotonic(), None
    while (code := child.exit_code()) is None:
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
        sign = sign_of_life(step)
        if sign is not None and sign != last:
            last, alive_at = sign, now
            watch.screen.update(sign.shown)
        if asked_at is None and (watch.stopping.asked or (watch.deadline is not None and now > watch.deadline)):
            asked_at = now
            _say_stopping(watch, step)
            child.ask_to_save()
        late = asked_at is not None and not watch.stopping.asked and now - asked_at > SAVE_SECONDS
        if watch.stopping.asked > 1 or late:
            return Ended(child.kill(), None, asked_to_stop=True)
        if now - alive_at > watch.stall_after_seconds:
            return Ended(child.kill(), None, stalled=True, asked_to_stop=asked_at is not None)
    if (final := sign_of_life(step)) is not None and final != last:
        watch.screen.update(final.shown)
    return Ended(code, None, asked_to_stop=asked_at is not None)


def _say_stopping(watch: Watch, step: Step) -> None:
    what = "saving" if step.kind == "train" else "stopping"
    why = "" if watch.stopping.asked else "lifecycle.activeDeadlineSeconds has passed: "
    watch.screen.note(f"{why}{what}, a second Ctrl-C kills")
