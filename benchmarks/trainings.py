"""Tiny trainings for benchmarks: requests on the models of `examples.tiny_inputs`, run by the real command.

Measures wall time, processes, and proportional memory (PSS), and reads the training's own event times. Decides nothing.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from benchmarks.machine import GIB
from examples.tiny_inputs import MODELS, make_model, make_prompts

from gopd_api.effective import servers
from gopd_api.requests import JobIdentity, Pools, ScoredTeacher, TrackingRequest, TrainLimits, TrainPaths, TrainRequest
from gopd_api.training import Checkpoints, Data, Importance, Optimization, Sampling, Student
from gopd_trainer.shell import processes


@dataclass
class Measured:
    """What one training cost."""

    seconds: float = 0.0
    processes: int = 0
    peak_gib: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)
    started: float = 0.0
    """Seconds since 1970 when the command was started."""

    def until(self, kind: str) -> float:
        """Seconds from the command to the first event of `kind`."""
        return next(event["time"] for event in self.events if event["kind"] == kind) - self.started

    def step_seconds(self) -> list[float]:
        """Wall seconds between the ends of consecutive steps."""
        ends = [event["time"] for event in self.events if event["kind"] == "step"]
        return [after - before for before, after in itertools.pairwise(ends)]


def make_models(folder: Path) -> None:
    """The tiny models and prompts below `folder`."""
    for name, (seed, width) in MODELS.items():
        make_model(folder / name, seed, width)
    make_prompts(folder / "train.jsonl", 64)


def request(world: Path, folder: Path, reward_scale: float, steps: int, batch_size: int = 8) -> TrainRequest:
    """A training of the tiny student by one teacher at `reward_scale`; at 1 without a reference."""
    reference = None if reward_scale == 1 else str(world / "student")
    teacher = ScoredTeacher(
        name="algebra",
        model=str(world / "algebra"),
        domains=[],
        reward_scale=reward_scale,
        reference=reference,
        dtype="float32",
        tensor_parallel=1,
        replicas=1,
    )
    places = sum(server.gpus for server in servers([teacher]))
    return TrainRequest(
        job=JobIdentity(namespace="default", name="benchmark", uid=f"benchmark-{os.getpid()}-{folder.name}"),
        attempt=1,
        student=Student(model=str(world / "student")),
        teachers=[teacher],
        importance=Importance(),
        aggregation="token-mean",
        estimator="sampled-token",
        data=Data(train=str(world / "train.jsonl"), max_prompt_tokens=64, max_response_tokens=32),
        sampling=Sampling(samples_per_prompt=2),
        optimization=Optimization(learning_rate=1e-3, batch_size=batch_size, micro_batch_size=16, steps=steps),
        checkpoints=Checkpoints(every_steps=100000, keep=1),
        accelerator="cpu",
        pools=Pools(trainer_gpus_per_node=1, trainer_nodes=1, teacher_gpus_per_node=places, teacher_nodes=1),
        paths=TrainPaths(
            checkpoints=f"{folder}/checkpoints",
            exports=f"{folder}/exports",
            progress=f"{folder}/progress.json",
            report=f"{folder}/report.json",
            scratch=f"{folder}/scratch",
        ),
        tracking=TrackingRequest(uri=None, experiment="benchmark", run_name="benchmark"),
        limits=TrainLimits(stall_after_seconds=600),
    )


def run(asked: TrainRequest, folder: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """Carry the request out by the trainer's command and measure it. Raises RuntimeError when it fails."""
    folder.mkdir(parents=True)
    path = folder / "train-request.json"
    path.write_text(asked.to_json(), encoding="utf-8")
    measured = Measured(started=time.time())
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(asked.paths.scratch, measured, ended))
    watcher.start()
    ran = subprocess.run(
        [sys.executable, "-m", "gopd_trainer", "--request", str(path)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    measured.seconds = time.time() - measured.started
    ended.set()
    watcher.join()
    if ran.returncode != 0:
        raise RuntimeError(f"the training failed: {ran.stdout[-500:]} {ran.stderr[-500:]}")
    lines = (folder / "scratch" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    measured.events = [json.loads(line) for line in lines]
    return measured


def _watch(scratch: str, measured: Measured, ended: threading.Event) -> None:
    while not ended.wait(1.0):
        family = processes.marked(scratch)
        measured.processes = max(measured.processes, len(family))
        measured.peak_gib = max(measured.peak_gib, sum(map(_pss, family)) / GIB)


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
