"""Train requests for tests: small, whole, on processors, below a folder of the test's own."""

from pathlib import Path
from typing import Any

from gopd_api.effective import servers
from gopd_api.requests import JobIdentity, Pools, ScoredTeacher, TrackingRequest, TrainLimits, TrainPaths, TrainRequest
from gopd_api.training import Checkpoints, Data, Importance, Optimization, Sampling, Student


def teacher(
    name: str,
    domains: list[str] | None = None,
    reward_scale: float = 1.25,
    reference: str | None = "/m/student",
    model: str = "/m/teacher",
) -> ScoredTeacher:
    """A teacher with everything decided."""
    return ScoredTeacher(
        name=name,
        model=model,
        domains=domains or [],
        reward_scale=reward_scale,
        reference=reference,
        dtype="float32",
        tensor_parallel=1,
        replicas=1,
    )


def train_request(
    root: Path | str = "/jobs/one",
    student: str = "/m/student",
    teachers: list[ScoredTeacher] | None = None,
    train: str = "/d/train.jsonl",
    optimization: dict[str, Any] | None = None,
    every_steps: int = 2,
    tracking_uri: str | None = None,
    **changes: Any,
) -> TrainRequest:
    """A request of a tiny training; `changes` replace fields of the request."""
    scored = teachers or [teacher("only")]
    fields: dict[str, Any] = {
        "job": JobIdentity(namespace="default", name="tiny", uid="5f0c2f7e-0000-4000-8000-000000000001"),
        "attempt": 1,
        "student": Student(model=student),
        "teachers": scored,
        "importance": Importance(),
        "aggregation": "token-mean",
        "estimator": "sampled-token",
        "data": Data(train=train, max_prompt_tokens=64, max_response_tokens=16),
        "sampling": Sampling(samples_per_prompt=2),
        "optimization": Optimization(
            **{"learning_rate": 1e-3, "batch_size": 4, "micro_batch_size": 4, "steps": 6, **(optimization or {})}
        ),
        "checkpoints": Checkpoints(every_steps=every_steps, keep=2),
        "accelerator": "cpu",
        "cpu_threads": 1,
        "pools": Pools(
            trainer_gpus_per_node=1,
            trainer_nodes=1,
            teacher_gpus_per_node=sum(server.gpus for server in servers(scored)),
            teacher_nodes=1,
        ),
        "paths": TrainPaths(
            checkpoints=f"{root}/checkpoints",
            exports=f"{root}/exports",
            progress=f"{root}/progress.json",
            report=f"{root}/report.json",
            scratch=f"{root}/scratch",
        ),
        "tracking": TrackingRequest(uri=tracking_uri, experiment="tests", run_name="tiny"),
        "limits": TrainLimits(stall_after_seconds=300),
    }
    return TrainRequest(**(fields | changes))
