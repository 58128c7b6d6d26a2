"""The local executor with real processes in the images' place: success, failure, stall, kill, resume, lock."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.operator.workplace import STANDINS, Workplace

from gopd_api.requests import TrainRequest
from gopd_api.running import Backoff
from gopd_operator.core.attempts import Policy
from gopd_operator.core.progress import Shown
from gopd_operator.shell import attempt as attempts
from gopd_operator.shell.attempt import Programs
from gopd_operator.shell.child import end_marked
from gopd_operator.shell.errors import RunError
from gopd_operator.shell.local import RunOutcome, finished, run_plan

PROGRAMS = Programs(
    [sys.executable, str(STANDINS / "gopd_trainer.py")], [sys.executable, str(STANDINS / "gopd_eval.py")]
)
POLICY = Policy(most_attempts=3, backoff=Backoff(initial_seconds=0), stall_after_seconds=60)


class Recorder:
    """A screen that remembers."""

    def __init__(self, on_step: Callable[[int], None] = lambda step: None) -> None:
        self.notes: list[str] = []
        self.lines: list[str] = []
        self.on_step = on_step

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, step: str, number: int, count: int) -> None:
        self.lines.append(step)

    def update(self, shown: Shown) -> None:
        if shown.unit == "step" and shown.done:
            self.on_step(shown.done)

    def end(self, step: str, words: str, seconds: float) -> None:
        self.lines.append(words)


def run(place: Workplace, policy: Policy = POLICY, screen: Recorder | None = None, **changes: Any) -> RunOutcome:
    return run_plan(place.plan(place.spec(**changes)), policy, screen or Recorder(), PROGRAMS)


TRAINING_ONLY: dict[str, Any] = {"evaluation": {"tasks": []}}


def test_a_plan_is_done_in_order_and_then_finished(place: Workplace) -> None:
    screen = Recorder()
    assert run(place, screen=screen).outcome == "succeeded"
    assert screen.lines == ["evaluate-start", "done", "train", "done", "evaluate-end", "done", "compare", "done"]
    evaluated = (place.root / "evaluated.log").read_text().splitlines()
    assert [line.split()[0] for line in evaluated] == ["generate", "grade"] * 2 + ["generate", "compare"]
    assert place.trained() == [1, 2, 3]
    assert finished(place.plan())


def test_what_is_done_is_not_done_again(place: Workplace) -> None:
    place.behave(fail="compare")
    assert run(place).outcome == "failed"
    place.behave()
    screen = Recorder()
    assert run(place, screen=screen).outcome == "succeeded"
    assert screen.lines == ["compare", "done"]
    assert place.trained() == [1, 2, 3]


def test_a_report_that_answers_another_request_is_not_believed(place: Workplace) -> None:
    assert run(place, **TRAINING_ONLY).outcome == "succeeded"
    plan = place.plan(place.spec(**TRAINING_ONLY))
    report = Path(plan.paths.report)
    report.write_text(json.dumps(json.loads(report.read_text()) | {"requestDigest": "sha256:" + "1" * 64}))
    assert not finished(plan)


def test_a_training_that_fails_is_tried_again_as_the_next_attempt(place: Workplace) -> None:
    place.behave(fail_attempts=2)
    screen = Recorder()
    assert run(place, screen=screen, **TRAINING_ONLY).outcome == "succeeded"
    request = TrainRequest.read(Path(place.plan(place.spec(**TRAINING_ONLY)).paths.train_request).read_text())
    assert request.attempt == 3
    assert "attempt 1 of train failed (OutOfMemory)" in screen.notes[0]
    kept = Path(place.plan(place.spec(**TRAINING_ONLY)).paths.scratch) / "reports"
    assert sorted(file.name for file in kept.iterdir()) == [
        "train-before-attempt-2.json",
        "train-before-attempt-3.json",
    ]


def test_attempts_are_bounded_and_the_reports_message_is_told(place: Workplace) -> None:
    place.behave(fail_attempts=99)
    outcome = run(place, **TRAINING_ONLY)
    assert outcome.outcome == "failed"
    assert "train failed (OutOfMemory): student.model: told to fail; lower fail_attempts" in outcome.message
    assert "log: " in outcome.message and "last lines" not in outcome.message


def test_wrong_input_is_not_tried_again(place: Workplace) -> None:
    place.behave(fail_attempts=1, reason="InvalidInput")
    screen = Recorder()
    assert run(place, screen=screen, **TRAINING_ONLY).outcome == "failed"
    assert screen.notes == []


def test_a_crash_without_a_report_shows_the_end_of_the_log(place: Workplace) -> None:
    place.behave(crash_attempts=99)
    outcome = run(place, Policy(1, Backoff(), 60), **TRAINING_ONLY)
    words = "train failed (Error): ended with exit code 1 without a report: RuntimeError: the stand-in crashed"
    assert words in outcome.message
    assert "  Traceback (most recent call last):" in outcome.message


def test_a_failed_evaluation_is_not_tried_again(place: Workplace) -> None:
    place.behave(fail="grade")
    outcome = run(place)
    assert outcome.step == "evaluate-start"
    assert "tasks[0].data: told to fail; change behaviour.json" in outcome.message
    assert (place.root / "evaluated.log").read_text().count("grade") == 1


def test_a_silent_training_is_ended_with_its_daemons_and_resumed(place: Workplace) -> None:
    place.behave(hang_at=2, daemon=True)
    screen = Recorder()
    outcome = run(place, Policy(2, Backoff(initial_seconds=0), 1.5), screen, **TRAINING_ONLY)
    assert outcome.outcome == "succeeded"
    assert "attempt 1 of train failed (Stalled)" in screen.notes[0]
    assert place.trained() == [1, 2, 3]
    assert place.daemon_is_gone()


def test_daemons_do_not_outlive_a_training_that_succeeded(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LEFTOVER_SECONDS", 0.2)
    place.behave(daemon=True)
    assert run(place, **TRAINING_ONLY).outcome == "succeeded"
    assert place.daemon_is_gone()


def test_processes_of_another_work_directory_are_left_alone(place: Workplace) -> None:
    other = subprocess.Popen(
        ["sleep", "60"], env=os.environ | {"GOPD_JOB_UID": "same", "GOPD_JOB_FOLDER": "/elsewhere"}
    )
    try:
        assert end_marked(place.root / "jobs" / "default" / "small-12345678", grace_seconds=0) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_wish_to_stop_saves_and_the_next_run_goes_on(place: Workplace) -> None:
    place.behave(seconds=0.3)
    screen = Recorder(lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 1 else None)
    outcome = run(place, screen=screen, **TRAINING_ONLY)
    assert outcome == RunOutcome("stopped", "train")
    assert "saving, a second Ctrl-C kills" in screen.notes
    stopped_after = place.trained()
    assert stopped_after[0] == 1 and len(stopped_after) < 3
    assert run(place, **TRAINING_ONLY).outcome == "succeeded"
    assert place.trained() == [1, 2, 3]


def test_a_deadline_saves_and_stops(place: Workplace) -> None:
    place.behave(seconds=0.5)
    screen = Recorder()
    outcome = run(place, Policy(3, Backoff(), 60, deadline_seconds=1.0), screen, **TRAINING_ONLY)
    assert outcome.outcome == "stopped"
    assert screen.notes[0].startswith("lifecycle.activeDeadlineSeconds has passed: saving")
    request = TrainRequest.read(Path(place.plan(place.spec(**TRAINING_ONLY)).paths.train_request).read_text())
    assert request.limits.save_before_unix == pytest.approx(time.time(), abs=30)


def test_a_second_run_is_refused_with_the_first_ones_number(place: Workplace) -> None:
    place.behave(seconds=0.3)

    def second(step: int) -> None:
        if step == 1:
            place.write(place.spec(**TRAINING_ONLY))
            refused = place.run()
            assert refused.returncode == 1
            assert f"already being run by process {os.getpid()}; wait for it" in refused.stderr

    assert run(place, screen=Recorder(second), **TRAINING_ONLY).outcome == "succeeded"


def test_the_lock_of_a_dead_process_is_taken_over(place: Workplace) -> None:
    lock = Path(place.plan(place.spec(**TRAINING_ONLY)).paths.lock)
    lock.parent.mkdir(parents=True)
    lock.write_text('{"pid": 999999999}\n')
    assert run(place, **TRAINING_ONLY).outcome == "succeeded"


def test_a_sweep_does_every_child_and_compares_them(place: Workplace) -> None:
    assert run(place, sweep={"rewardScale": [1, 1.5]}, optimization={"batchSize": 2, "steps": 1}).outcome == "succeeded"
    made = place.plan(place.spec(sweep={"rewardScale": [1, 1.5]}, optimization={"batchSize": 2, "steps": 1}))
    comparison = json.loads(Path(made.paths.evaluation("compare").comparison).read_text())
    assert {score["subject"] for score in comparison["scores"]} == {"before", "wise", "s1-seed42", "s1p5-seed42"}
    evaluated = (place.root / "evaluated.log").read_text()
    assert evaluated.count("generate small before,wise\n") == 1


def test_a_full_disk_is_told_as_such(place: Workplace) -> None:
    place.write(place.spec())
    command = (
        f"ulimit -f 0; exec {sys.executable} -m gopd_operator.shell.main run {place.spec_file} --workdir {place.root}"
    )
    result = subprocess.run(
        ["bash", "-c", command], env=place.environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "is full; free some space and run the same command again" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_undecided_step_is_not_started(place: Workplace) -> None:
    made = place.plan(place.spec(optimization={"batchSize": 9, "epochs": 1}))
    assert made.trainings[0].total_steps == 0
    with pytest.raises(KeyError, match="there are evaluate-start, train, evaluate-end, compare"):
        made.step("nothing")


def test_a_broken_lock_error_names_the_job(place: Workplace) -> None:
    made = place.plan()
    lock = Path(made.paths.lock)
    lock.parent.mkdir(parents=True)
    script = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'a')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=r"small-\w{8} is already being run"):
            run_plan(made, POLICY, Recorder(), PROGRAMS)
    finally:
        holder.kill()
        holder.wait()
