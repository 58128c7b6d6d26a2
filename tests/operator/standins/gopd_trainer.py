"""Stands in for the trainer: keeps its contract, learns nothing, and misbehaves as `behaviour.json` says."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import behaviour  # type: ignore[import-not-found]  # it lies beside this file, which is run as a program

from gopd_api.reports import Progress, SavedCheckpoint, TrainReport
from gopd_api.requests import TrainRequest

stopping: list[bool] = []


def main() -> int:
    if sys.argv[1] == "options":
        request = TrainRequest.read(sys.stdin.read())
        print(json.dumps([f"trainer.total_training_steps={request.optimization.steps}"]))
        return 0
    request = TrainRequest.read(Path(sys.argv[2]).read_text())
    root = Path(request.paths.checkpoints).parents[3]
    acts = behaviour.settings(root)
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    if acts.get("daemon"):
        behaviour.start_daemon(root)
    if request.attempt <= acts.get("crash_attempts", 0):
        raise RuntimeError("the stand-in crashed as it was told to")
    done = max((int(path.name[12:]) for path in Path(request.paths.checkpoints).glob("global_step_*")), default=0)
    return train(request, done, acts, root)


def train(request: TrainRequest, start: int, acts: dict, root: Path) -> int:
    total = request.optimization.steps or 0
    saved = [
        SavedCheckpoint(step=n, path=checkpoint(request, n), export=export(request, n)) for n in range(1, start + 1)
    ]

    def tell(phase: Any, step: int) -> None:
        progress = Progress(
            request_digest=request.digest(), attempt=request.attempt, phase=phase, step=step, total_steps=total,
            resumed_from=start, checkpoints=saved, heartbeat=behaviour.now(), seconds_per_step=acts.get("seconds", 0.0),
            metrics={"train/loss": 1.0 / step} if step else {},
        )  # fmt: skip
        behaviour.write(request.paths.progress, progress.to_json())

    def report(outcome: Any, reason: str, step: int, message: str = "") -> None:
        content = TrainReport(
            request_digest=request.digest(), outcome=outcome, reason=reason, message=message, step=step,
            total_steps=total, resumed_from=start, checkpoints=saved,
        )  # fmt: skip
        behaviour.write(request.paths.report, content.to_json())

    tell("starting", start)
    if request.attempt <= acts.get("fail_attempts", 0):
        report("failed", acts.get("reason", "OutOfMemory"), start, "student.model: told to fail; lower fail_attempts")
        return 1
    for step in range(start + 1, total + 1):
        if acts.get("hang_at") == step and request.attempt == 1:
            behaviour.hang()
        time.sleep(acts.get("seconds", 0.0))
        with (root / "trained.log").open("a") as log:
            log.write(f"{request.job.name} {request.attempt} {step}\n")
        Path(checkpoint(request, step)).mkdir(parents=True, exist_ok=True)
        Path(export(request, step)).mkdir(parents=True, exist_ok=True)
        (Path(export(request, step)) / "config.json").write_text("{}")
        saved.append(SavedCheckpoint(step=step, path=checkpoint(request, step), export=export(request, step)))
        tell("training", step)
        if stopping:
            if acts.get("slow_to_save"):
                behaviour.hang()
            report("stopped", "Terminated", step)
            return 3
    tell("finished", total)
    report("succeeded", "Completed", total)
    return 0


def checkpoint(request: TrainRequest, step: int) -> str:
    return f"{request.paths.checkpoints}/global_step_{step}"


def export(request: TrainRequest, step: int) -> str:
    return f"{request.paths.exports}/step-{step}"


sys.exit(main())
