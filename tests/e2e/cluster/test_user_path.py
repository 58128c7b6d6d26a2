"""The path of a user: install, apply, look, and find the comparison in the object and in MLflow."""

import json
import urllib.request
from typing import Any

import pytest
from tests.cluster.api import DISTILLATION_JOBS, EVENTS, JOBS, RAY_JOBS, Document
from tests.e2e.cluster.installation import EXAMPLE, MLFLOW, SYSTEM, Installation, example
from tests.e2e.cluster.observing import Followed, Timeline

pytestmark = pytest.mark.timeout(2400)
NAME = "cluster-quickstart"
OWN_SECONDS = 3.0
"""How long the operator may take for one step of its own, at the median; a busy machine of two cores takes longer."""


@pytest.fixture(scope="module")
def finished(installation: Installation, team: str) -> tuple[Followed, Timeline]:
    """The example, applied and followed to its end."""
    followed = Followed(installation, team, NAME)
    with Timeline(installation, team) as timeline:
        installation.access.kubectl("apply", "-n", team, "-f", EXAMPLE)
        followed.wait("training step", lambda: followed.step() >= 1)
        table = installation.access.kubectl("get", "dj", NAME, "-n", team).stdout
        assert "Training" in table
        followed.wait_for_end()
    return followed, timeline


def test_the_first_job_of_the_documentation_succeeds(finished: tuple[Followed, Timeline]) -> None:
    status = finished[0].status()
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    steps = example()["spec"]["optimization"]["steps"]
    assert status["progress"]["display"] == f"{steps}/{steps}"
    assert {one["step"] for one in status["checkpoints"]} == {5, 10}
    assert finished[0].condition("Complete")["status"] == "True"


def test_the_comparison_is_in_the_object(finished: tuple[Followed, Timeline]) -> None:
    status = finished[0].status()
    values = {one["subject"]: one["value"] for one in status["evaluations"] if one["metric"] == "kl"}
    assert {"algebra", "before", "after"} <= set(values), values
    assert values["algebra"] == 0
    assert values["before"] > 0
    table = finished[0].installation.access.kubectl("get", "dj", NAME, "-n", finished[0].namespace).stdout
    assert status["best"]["display"] in table


def test_describe_tells_the_story(finished: tuple[Followed, Timeline]) -> None:
    followed = finished[0]
    told = followed.installation.access.kubectl("describe", "dj", NAME, "-n", followed.namespace).stdout
    for reason in ("AttemptStarted", "Training", "CheckpointSaved", "AttemptSucceeded", "Succeeded"):
        assert reason in told
    mine = [
        event
        for event in followed.installation.api.list(EVENTS, followed.namespace)
        if event["involvedObject"]["name"] == NAME and event["type"] == "Warning"
    ]
    assert mine == []


def test_mlflow_has_one_run_with_curves_and_the_comparison(finished: tuple[Followed, Timeline]) -> None:
    followed = finished[0]
    run_id = followed.status()["mlflow"]["runId"]
    run = mlflow(followed.installation, f"runs/get?run_id={run_id}")["run"]
    assert run["info"]["status"] == "FINISHED"
    history = mlflow(followed.installation, f"metrics/get-history?run_id={run_id}&metric_key=kl/teacher")["metrics"]
    assert sorted({point["step"] for point in history}) == list(range(1, 11))
    evaluated = mlflow(followed.installation, f"metrics/get-history?run_id={run_id}&metric_key=eval/kl-to-teacher/kl")
    assert {0, 10} <= {point["step"] for point in evaluated["metrics"]}
    files = mlflow(followed.installation, f"artifacts/list?run_id={run_id}")["files"]
    assert {"train-request.json", "train-report.json"} <= {file["path"] for file in files}


def test_the_operator_adds_little_of_its_own(finished: tuple[Followed, Timeline]) -> None:
    timeline, overheads = finished[1], measured(finished[1])
    begun = timeline.moment(DISTILLATION_JOBS, lambda one: one["metadata"]["name"] == NAME)
    ended = timeline.moment(DISTILLATION_JOBS, lambda one: one.get("status", {}).get("phase") == "Succeeded")
    assert begun is not None
    assert ended is not None
    print(f"\nwall time {ended - begun:.1f} s")
    for what, seconds in overheads.items():
        print(f"{what}: {seconds:.2f} s")
    print(f"the operator's share: {sum(overheads.values()) / (ended - begun):.1%}")
    assert sorted(overheads.values())[len(overheads) // 2] < OWN_SECONDS


def measured(timeline: Timeline) -> dict[str, float]:
    """Seconds between something that the operator waited for and what it did then."""

    def named(*words: str) -> Any:
        return lambda one: all(word in one["metadata"]["name"] for word in words)

    def complete(one: Document) -> bool:
        return any(
            state["type"] == "Complete" and state["status"] == "True"
            for state in one.get("status", {}).get("conditions", [])
        )

    pairs = {
        "apply -> inspection created": (
            timeline.moment(DISTILLATION_JOBS, named(NAME)),
            timeline.moment(JOBS, named("inspect")),
        ),
        "inspection complete -> RayJob created": (
            timeline.moment(JOBS, lambda one: "inspect" in one["metadata"]["name"] and complete(one)),
            timeline.moment(RAY_JOBS, named(NAME)),
        ),
        "RayJob finished -> evaluation created": (
            timeline.moment(RAY_JOBS, lambda one: one.get("status", {}).get("jobStatus") == "SUCCEEDED"),
            timeline.moment(JOBS, named(NAME, "end-gen")),
        ),
        "comparison complete -> Succeeded": (
            timeline.moment(JOBS, lambda one: one["metadata"]["name"].endswith("cmp") and complete(one)),
            timeline.moment(DISTILLATION_JOBS, lambda one: one.get("status", {}).get("phase") == "Succeeded"),
        ),
    }
    return {
        what: max(0.0, end - begin) for what, (begin, end) in pairs.items() if begin is not None and end is not None
    }


def mlflow(installation: Installation, question: str) -> Document:
    """An answer of MLflow's own API, asked at its pod."""
    address = installation.pod(SYSTEM, MLFLOW)["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:5000/api/2.0/mlflow/{question}", timeout=30) as answer:
        document: Document = json.load(answer)
    return document
