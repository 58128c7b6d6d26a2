"""What a plan decides of a task: how answers are drawn where the user sets nothing, its release, where its data are."""

from typing import Any

import pytest

from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.requests import EvalRequest
from gopd_operator.core.workflow import Observed, Surroundings, plan

Drawn = tuple[int, float, float, int, bool | None]


def planned(sampling: dict[str, Any], *tasks: dict[str, Any]) -> EvalRequest:
    """The request of an EvalJob with these tasks."""
    spec = {
        "subjects": [{"name": "a", "model": "models/a"}],
        "tasks": list(tasks),
        "sampling": sampling,
        "compute": {"accelerator": "cpu"},
    }
    metadata = {"name": "evaluate"}
    job = EvalJob.model_validate(
        {"apiVersion": "gopd.io/v1alpha1", "kind": "EvalJob", "metadata": metadata, "spec": spec}
    )
    request = plan(job, Surroundings("/root-of-storage", None)).step("evaluate").request
    assert isinstance(request, EvalRequest)
    return request


@pytest.mark.parametrize(
    ("task", "sampling", "drawn"),
    [
        ({"benchmark": "aime25", "preset": "seed"}, {}, (32, 1.0, 1.0, 16384, False)),
        ({"benchmark": "aime25"}, {}, (32, 1.0, 1.0, 16384, None)),
        ({"benchmark": "mbpp-plus", "preset": "seed"}, {"enableThinking": True}, (4, 1.0, 1.0, 16384, True)),
        ({"benchmark": "mbpp-plus"}, {"temperature": 0.6, "topP": 0.95}, (4, 0.6, 0.95, 16384, None)),
        (
            {"benchmark": "mbpp-plus", "temperature": 0, "samples": 1, "topP": 0.5, "enableThinking": False},
            {"temperature": 0.6, "topP": 0.95, "maxResponseTokens": 100, "enableThinking": True},
            (1, 0.0, 0.5, 100, False),
        ),
        ({"benchmark": "math", "data": "d"}, {}, (1, 1.0, 1.0, 8192, None)),
        ({"benchmark": "math", "data": "d", "maxResponseTokens": 7}, {"maxResponseTokens": 9}, (1, 1.0, 1.0, 7, None)),
    ],
)
def test_what_the_user_leaves_open_is_drawn_as_the_benchmark_is_published(
    task: dict[str, Any], sampling: dict[str, Any], drawn: Drawn
) -> None:
    request = planned(sampling, task)
    found = request.drawing(request.tasks[0])
    shown = (request.tasks[0].samples, found.temperature, found.top_p, found.max_response_tokens, found.enable_thinking)
    assert shown == drawn


def test_a_release_is_decided_by_the_plan_and_a_known_benchmark_reads_the_store_of_the_volume() -> None:
    request = planned(
        {}, {"benchmark": "livecodebench"}, {"benchmark": "livecodebench", "name": "own", "data": "d.jsonl"}
    )
    assert [(task.name, task.release, task.data) for task in request.tasks] == [
        ("livecodebench", "v6", None),
        ("own", None, "/root-of-storage/d.jsonl"),
    ]
    assert request.paths.data == "/root-of-storage/datasets"


def test_of_many_checkpoints_so_many_are_measured_as_a_status_has_room_for() -> None:
    spec = {
        "student": {"model": "models/student"},
        "teachers": [{"name": "wise", "model": "models/teacher"}],
        "objective": {"rewardScale": 1.0},
        "data": {"train": "data/train.jsonl"},
        "optimization": {"epochs": 3, "batchSize": 8},
        "checkpoints": {"everySteps": 1},
        "evaluation": {"at": ["checkpoints", "end"], "tasks": [{"benchmark": "math", "data": "data/problems.jsonl"}]},
        "compute": {"accelerator": "cpu"},
    }
    job = DistillationJob.model_validate(
        {"apiVersion": "gopd.io/v1alpha1", "kind": "DistillationJob", "metadata": {"name": "long"}, "spec": spec}
    )
    made = plan(job, Surroundings("/root-of-storage", None), Observed(prompts=8 * 1000))
    steps = [step.checkpoint for step in made.steps if step.name.startswith("evaluate-step-") and step.checkpoint]
    assert (len(steps), steps[:3], steps[-1]) == (200, [1, 16, 31], 2986)
