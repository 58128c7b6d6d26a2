"""The local executor: a plan's steps in order, as processes on this machine.

A step that is answered already is passed over, so that the same command goes on where an earlier one stopped and a
finished job says so at once. Limits: one step at a time (a sweep's `maxParallel` is not used), and the answers are
believed: a model or a data file that changed in place under an unchanged spec is not noticed.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gopd_operator.core.attempts import Ended, Policy, Verdict, judge, wait_seconds
from gopd_operator.core.plan import Plan, Step
from gopd_operator.core.progress import duration
from gopd_operator.shell.answers import answered, log_file, put_aside, said, sign_of_life
from gopd_operator.shell.attempt import POLL_SECONDS, Programs, Watch, attempt
from gopd_operator.shell.child import end_marked
from gopd_operator.shell.files import last_lines
from gopd_operator.shell.lock import held
from gopd_operator.shell.records import record_end
from gopd_operator.shell.screen import Screen
from gopd_operator.shell.signals import Stopping, counted


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    outcome: Literal["succeeded", "failed", "stopped"]
    step: str = ""
    """The step that it ended at, when it did not succeed."""
    message: str = ""


def finished(plan: Plan) -> bool:
    """Whether every step has succeeded already."""
    return all(answered(step) for step in plan.steps)


def run_plan(plan: Plan, policy: Policy, screen: Screen, programs: Programs) -> RunOutcome:
    """Do the plan's steps that are not answered yet.

    Raises RunError when another process works on the job, OSError when the work directory cannot be written.
    """
    folders = list(dict.fromkeys(step.paths for step in plan.steps))
    locks = dict.fromkeys([Path(plan.paths.lock), *(Path(paths.lock) for paths in folders)])
    with held(locks), counted() as stopping:
        for paths in folders:
            if left := end_marked(Path(paths.folder), grace_seconds=0):
                screen.note(f"ended {left} processes that an interrupted run of {paths.folder.name} had left")
        return _work(plan, policy, screen, programs, stopping)


def _work(plan: Plan, policy: Policy, screen: Screen, programs: Programs, stopping: Stopping) -> RunOutcome:
    started, started_unix = time.monotonic(), time.time()
    limit = policy.deadline_seconds
    watch = Watch(screen, stopping, policy.stall_after_seconds, None if limit is None else started + limit)
    save_before = None if limit is None else started_unix + limit
    for number, step in enumerate(plan.steps, 1):
        if answered(step):
            screen.note(f"[{number}/{len(plan.steps)}] {step.name}: done before")
            continue
        if stopping.asked:
            return RunOutcome("stopped", step.name)
        begun = time.monotonic()
        screen.begin(step.name, number, len(plan.steps))
        verdict = _do(step, policy, programs, watch, save_before)
        screen.end(step.name, verdict.next, time.monotonic() - begun)
        if verdict.next in ("stopped", "failed") and (unrecorded := record_end(step, verdict.next)):
            screen.note(f"MLflow does not know yet that {step.name} {verdict.next}: {unrecorded}")
        if verdict.next == "stopped":
            return RunOutcome("stopped", step.name, verdict.message)
        if verdict.next == "failed":
            return RunOutcome("failed", step.name, _explained(step, verdict))
    return RunOutcome("succeeded")


def _do(step: Step, policy: Policy, programs: Programs, watch: Watch, save_before_unix: float | None) -> Verdict:
    """Attempts at one step until it is done, stopped, or has failed for good."""
    if step.request is None:
        return Verdict("failed", "Undecided", f"this step cannot be started: {step.undecided}")
    sign = sign_of_life(step)
    earlier = sign.attempt if sign else 0
    failures = 0
    while True:
        number = earlier + failures + 1
        put_aside(step, number)
        ended = attempt(step, number, programs, watch, save_before_unix)
        verdict = judge(ended, failures, policy.most_attempts, retry_reported=step.kind == "train")
        verdict = _checked(step, ended, verdict)
        if verdict.next != "retry":
            return verdict
        failures += 1
        wait = wait_seconds(policy.backoff, failures)
        watch.screen.note(
            f"attempt {number} of {step.name} failed ({verdict.reason}): {verdict.message}\n"
            f"next attempt in {duration(wait)}; {policy.most_attempts - failures} left; log: {log_file(step)}"
        )
        if not _waited(wait, watch):
            return Verdict("stopped", "Stopped")


def _checked(step: Step, ended: Ended, verdict: Verdict) -> Verdict:
    """A success whose answer is missing or is of another length than was planned is none."""
    if verdict.next != "done" or step.checkpoint is not None or step.kind != "train":
        return verdict
    answer = said(step)
    wanted = getattr(getattr(step.request, "optimization", None), "steps", None)
    if answer is not None and wanted is not None and answer.step != wanted:
        words = f"training reported success after step {answer.step}, where optimization.steps is {wanted}"
        return Verdict("failed", "Error", words)
    return verdict


def _waited(seconds: float, watch: Watch) -> bool:
    """Wait before the next attempt; False when asked to stop meanwhile."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if watch.stopping.asked:
            return False
        time.sleep(min(POLL_SECONDS, max(0.0, until - time.monotonic())))
    return not watch.stopping.asked


def _explained(step: Step, verdict: Verdict) -> str:
    """The report's message with the path of the log; without a report, the last lines of the log too."""
    log = log_file(step)
    parts = [f"{step.name} failed ({verdict.reason}): {verdict.message}", f"log: {log}"]
    if said(step) is None and (lines := last_lines(log, 15)):
        parts += ["its last lines:", *(f"  {line}" for line in lines)]
    return "\n".join(parts)
