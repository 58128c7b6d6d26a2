"""Runs one attempt: starts the training process, watches it, and writes progress, MLflow and the report.

A process of its own, without torch: it outlives a crash of the training and can say what happened. It ends a training
that gives no sign of life, saves on SIGTERM and SIGINT, and exports each checkpoint. What goes wrong here ends the
attempt with a report, too; files that only tell others how it stands may fail to be written. Whether there is another
attempt is the caller's decision.
"""

import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from gopd_api.reports import Progress, SavedCheckpoint, TrainReport
from gopd_api.requests import TrainRequest
from gopd_tracking import Tracker
from gopd_trainer.core.checkpoints import to_remove
from gopd_trainer.shell import checkpoint_files, events, leftovers, processes
from gopd_trainer.shell.config_map import Access, ConfigMap
from gopd_trainer.shell.driver import explained
from gopd_trainer.shell.publisher import Publisher
from gopd_trainer.shell.recording import parameters, tags
from gopd_trainer.shell.surroundings import driver_variables, ray_cluster

WATCH_SECONDS = 0.2
START_PATIENCE = 600
"""Seconds until the first sign of life: imports, downloads and Ray on a cold machine."""
KILLED_REMEDY = (
    "most likely for its memory; lower spec.optimization.microBatchSize or spec.data.maxResponseTokens, or give "
    "the pods more memory (spec.compute.podPatches)"
)
"""A status shows the beginning of a message: what helps comes before the log."""
Outcome = Literal["succeeded", "failed", "stopped"]
EXIT: dict[Outcome, int] = {"succeeded": 0, "failed": 1, "stopped": 3}
PHASE: dict[Outcome, str] = {"succeeded": "finished", "failed": "failed", "stopped": "stopped"}
RUN_STATUS: dict[Outcome, Literal["FINISHED", "FAILED", "KILLED"]] = {
    "succeeded": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
}


class Supervisor:
    """One attempt of one request."""

    def __init__(self, request: TrainRequest, path: Path, command: Sequence[str] | None = None) -> None:
        self.request, self.path = request, path
        self.scratch = Path(request.paths.scratch)
        self.record = self.scratch / events.NAME
        self.log = self.scratch / f"training-{request.attempt}.log"
        self.command = list(command or [sys.executable, "-m", "gopd_trainer.shell.driver", str(path)])
        self.digest = request.digest()
        self.started = time.monotonic()
        self.last_sign = time.monotonic()
        self.signals = 0
        self.failure: tuple[str, str] | None = None
        self.kill_asked = self.deadline_near = False
        self.progress = Progress(request_digest=self.digest, attempt=request.attempt, phase="starting", heartbeat=now())
        self.publisher = publisher_of(request)
        self.tracker = Tracker(None, None)
        self.unwritten: set[Path] = set()

    def run(self) -> int:
        """Carry the attempt out and return the exit code: 0 succeeded, 1 failed, 3 stopped and saved."""
        if self.publisher is not None and not self.publisher.begin(self.progress):
            return self._give_way()
        if address := ray_cluster():
            say(f"RAY_ADDRESS is set: training on the Ray cluster at {address}")
        code = None
        try:
            code = self._train()
        except Exception as error:  # noqa: BLE001  whatever it is: an attempt without a report tells nobody anything
            traceback.print_exc()
            known = explained(error)
            self.failure = self.failure or (known.reason, str(known))
        return self._give_way() if self._superseded() else self._finish(code)

    def _train(self) -> int | None:
        """Start the training and see it to its end; its exit code, None when it had to be killed."""
        self._prepare()
        self.tracker = Tracker.attach(self.request.tracking, self.request.job.uid, Path(self.request.paths.spool))
        self.tracker.params(parameters(self.request))
        self.tracker.tags(tags(self.request, self.digest))
        self.tracker.artifact("train-request.json", self.request.to_json())
        for event in leftovers.written_steps(self.request, say):
            self.tracker.metrics(event["step"], event["metrics"])
        self.record.unlink(missing_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        process = processes.start(self.command, driver_variables(self.request), self.log)
        try:
            return self._watch(process)
        finally:
            processes.end(self.request.paths.scratch)

    def _superseded(self) -> bool:
        return self.publisher is not None and self.publisher.superseded.is_set()

    def _give_way(self) -> int:
        """End without a report: its file, the run in MLflow and the checkpoints are the newer attempt's now."""
        say("stopped (Superseded): a newer attempt of this training has begun")
        return EXIT["stopped"]

    def _prepare(self) -> None:
        """Clear up after the attempt before, and take over what it told."""
        leftovers.clear(self.request.paths)
        told = leftovers.told_checkpoints(self.request.paths, say)
        self.progress = self.progress.model_copy(update={"checkpoints": told})
        self._write_progress()

    def _asked_to_stop(self, number: int, _: Any) -> None:
        self.signals += 1
        if self.signals == 1:
            say(f"{signal.Signals(number).name}: saving, then ending; again to end at once")
            self._ask_to_save()
        else:
            self.kill_asked = True

    def _ask_to_save(self) -> None:
        """Have the training save and end; where it cannot be asked it is ended with what is saved."""
        try:
            (self.scratch / events.STOP).touch()
        except OSError as error:
            say(f"the training cannot be asked to save ({error}): ending")
            self.kill_asked = True

    def _watch(self, process: subprocess.Popen[bytes]) -> int | None:
        """Follow the training until it ends; None when it had to be killed."""
        reader = events.Reader(self.record)
        limits = self.request.limits
        while True:
            ended = process.poll()
            for event in reader.new():
                self._take(event)
                # Afterwards: an export reads all weights, and what the training wrote meanwhile is not read yet.
                self.last_sign = time.monotonic()
            if ended is not None:
                return ended
            if self.kill_asked or self._superseded():
                return None
            self._heed_deadline()
            patience = max(limits.stall_after_seconds, START_PATIENCE if self.progress.phase == "starting" else 0)
            silent = time.monotonic() - self.last_sign
            if silent > patience:
                self.failure = ("Stalled", f"no sign of life for {silent:.0f} s; see {self.log}")
                return None
            time.sleep(WATCH_SECONDS)

    def _heed_deadline(self) -> None:
        deadline = self.request.limits.save_before_unix
        if deadline and time.time() > deadline and not self.signals and not self.deadline_near:
            say("the deadline is near: saving, then ending")
            self.deadline_near = True
            self._ask_to_save()

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["kind"]
        if kind == "resumed":
            self._goes_on(event["step"], event["total"])
        elif kind == "step":
            self._step(event)
        elif kind == "saving":
            self._update(phase="saving")
        elif kind == "checkpoint":
            self._checkpoint(event["step"], Path(event["path"]))
        elif kind == "failed":
            self.failure = (event["reason"], event["message"])
        else:
            self._update()

    def _step(self, event: dict[str, Any]) -> None:
        metrics = event["metrics"]
        before, seconds = self.progress.seconds_per_step, metrics.get("perf/seconds_step", 0.0)
        self._update(
            phase="training",
            step=event["step"],
            total_steps=event["total"],
            metrics=metrics,
            seconds_per_step=seconds if before is None else 0.7 * before + 0.3 * seconds,
        )
        self.tracker.metrics(event["step"], metrics)
        shown = {"KL to teacher": "kl/teacher", "loss": "train/loss", "s": "perf/seconds_step"}
        words = [f"{name} {metrics[key]:.4g}" for name, key in shown.items() if key in metrics]
        say(f"step {event['step']}/{event['total']}: {', '.join(words)}")

    def _goes_on(self, step: int, total: int) -> None:
        """Training begins after `step`. What was saved up to it and never told is exported; later ones come again."""
        told = [one for one in self.progress.checkpoints if one.step <= step]
        self._update(phase="training", step=step, resumed_from=step, total_steps=total, checkpoints=told)
        say(f"training from step {step} to {total}")
        for found in checkpoint_files.whole_checkpoints(self.request) if step else []:
            if found.step <= step and found.step not in {one.step for one in told}:
                self._checkpoint(found.step, Path(found.path))

    def _checkpoint(self, step: int, folder: Path) -> None:
        target = Path(self.request.paths.exports) / f"step-{step}"
        digest = checkpoint_files.export(folder, target, self.request.student.master_dtype)
        root = Path(self.request.paths.checkpoints)
        removed = to_remove(checkpoint_files.steps(root), self.request.checkpoints.keep, step)
        for old in removed:
            checkpoint_files.remove(root, old)
        saved = SavedCheckpoint(step=step, path=str(folder), export=str(target), digest=digest)
        kept = [one for one in self.progress.checkpoints if one.step != step]
        kept = [one.model_copy(update={"path": ""}) if one.step in removed else one for one in kept]
        # Before the progress, from which the next attempt reads what has been told.
        self.tracker.checkpoint(step, folder, target, digest, {})
        self._update(phase="training", checkpoints=sorted([*kept, saved], key=lambda one: one.step))
        say(f"checkpoint of step {step}: {target}")

    def _update(self, **changes: Any) -> None:
        news: dict[str, Any] = {"heartbeat": now(), "mlflow_run_id": self.tracker.run_id}
        news["tracking_healthy"] = None if self.tracker.healthy else False
        self.progress = self.progress.model_copy(update={**news, **changes})
        self._write_progress()

    def _write_progress(self) -> None:
        self._write(Path(self.request.paths.progress), self.progress.to_json())
        if self.publisher is not None:
            self.publisher.progress(self.progress)

    def _write(self, path: Path, text: str) -> None:
        """Write what others look at. That it fails is said once; whoever has a ConfigMap reads it there."""
        try:
            checkpoint_files.write_atomically(path, text)
        except OSError as error:
            if path not in self.unwritten:
                self.unwritten.add(path)
                say(f"{path} cannot be written ({error}); it is tried again with the next news")

    def _finish(self, code: int | None) -> int:
        outcome, reason, message = self._judge(code)
        self._update(phase=PHASE[outcome])
        report = TrainReport(
            request_digest=self.digest,
            outcome=outcome,
            reason=reason,
            message=message[:4096],
            step=self.progress.step,
            total_steps=self.progress.total_steps,
            resumed_from=self.progress.resumed_from or 0,
            seconds=time.monotonic() - self.started,
            checkpoints=self.progress.checkpoints,
            mlflow_run_id=self.tracker.run_id,
            metrics=self.progress.metrics,
        )
        self._write(Path(self.request.paths.report), report.to_json())
        if self.publisher is not None:
            self.publisher.finish(report)
        # Last: how the attempt ended is known by now, however long MLflow takes.
        self.tracker.artifact("train-report.json", report.to_json())
        self.tracker.close(RUN_STATUS[outcome])
        say(f"{outcome} ({reason})" + (f": {message}" if message else ""), error=outcome == "failed")
        return EXIT[outcome]

    def _judge(self, code: int | None) -> tuple[Outcome, str, str]:
        """Outcome, reason and message of the attempt whose training process ended with `code`."""
        if self.failure is not None:
            return "failed", *self.failure
        if code == 0:
            return "succeeded", "Completed", ""
        if code == 3 or self.kill_asked:
            kept = self.progress.checkpoints[-1].step if self.progress.checkpoints else 0
            reason, why = (
                ("DeadlineNear", "the deadline is near") if self.deadline_near else ("Terminated", "asked to stop")
            )
            return "stopped", reason, f"{why}; step {kept} is saved, the same command goes on from there"
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        log = f"the log {self.log} ends with:\n{processes.tail(self.log)}"
        if code == -signal.SIGKILL:
            return "failed", "OutOfMemory", f"the training process ended {how}: {KILLED_REMEDY}; {log}"
        return "failed", "Died", f"the training process ended {how} without saying why; {log}"


def publisher_of(request: TrainRequest) -> Publisher | None:
    """What tells the cluster how the training stands; None where there is no cluster."""
    if request.publish is None:
        return None
    return Publisher(ConfigMap(request.publish, Access.in_cluster()), request.attempt, say)


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def say(text: str, error: bool = False) -> None:
    """One line for whoever reads the log."""
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
