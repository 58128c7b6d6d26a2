"""The path of a user: install, apply, look, and find the comparison in the object, in MLflow, and the same at home."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.api import EVENTS, JOBS, RAY_JOBS, Document
from tests.e2e.cluster.browser import look
from tests.e2e.cluster.clusters import REPOSITORY
from tests.e2e.cluster.installation import EXAMPLE, RELEASE, SYSTEM, Installation, example, tiny_inputs
from tests.e2e.cluster.observing import Followed
from tests.e2e.cluster.timeline import Timeline

from gopd_api.reports import Comparison

pytestmark = pytest.mark.timeout(1200)
NAME = "cluster-quickstart"
STEPS, CHECKPOINTS = 10, (5, 10)
PARTS = ("inspect", "generate", "grade", "compare")
COMPARED = "evaluations/compare"
"""Where the run has the comparison."""
ROUNDING = 1e-4
"""How far two trainings that draw the same answers may be apart, of the value."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kubectl get dj -w` prints."""
    return tmp_path_factory.mktemp("watched") / "table"


@pytest.fixture(scope="module")
def finished(installation: Installation, team: str, watched: Path) -> Followed:
    """The example, applied and followed to its end."""
    followed = Followed(installation, team, NAME)
    installation.remove(team, example())
    installation.access.kubectl("apply", "-n", team, "-f", EXAMPLE)
    with installation.access.beside("get", "dj", NAME, "-n", team, "-w") as table:
        followed.wait_for_end()
    assert table.stdout is not None
    watched.write_text(table.stdout.read())
    return followed


def test_the_first_job_of_the_documentation_succeeds(finished: Followed) -> None:
    status = finished.status()
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert status["progress"]["display"] == f"{STEPS}/{STEPS}"
    assert example()["spec"]["optimization"]["steps"] == STEPS
    assert {one["step"] for one in status["checkpoints"]} == set(CHECKPOINTS)
    assert finished.condition("Complete")["status"] == "True"


@pytest.mark.usefixtures("finished")
def test_a_checkpoint_is_evaluated_as_it_appears(finished: Followed, timeline: Timeline) -> None:
    """By pods of its own, the first of which is there before the training has ended."""
    look = timeline.of(finished.namespace, NAME)
    drawn = look(JOBS, lambda one: one["metadata"]["name"] == f"{NAME}-step-{CHECKPOINTS[0]}-gen")
    trained = look(RAY_JOBS, lambda one: one.get("status", {}).get("jobStatus") == "SUCCEEDED")
    assert drawn is not None
    assert trained is not None
    assert drawn < trained
    parts = {part: {pod["status"]["phase"] for pod in finished.pods(part=part)} for part in PARTS}
    assert parts == {part: {"Succeeded"} for part in PARTS}


def test_a_person_who_watches_sees_it_go_on(watched: Path) -> None:
    lines = [line.split() for line in watched.read_text().splitlines() if line.startswith(NAME)]
    phases = list(dict.fromkeys(line[1] for line in lines))
    wanted = ["Pending", "Provisioning", "Training", "Evaluating", "Succeeded"]
    assert [phase for phase in phases if phase in wanted] == wanted
    steps = {line[2] for line in lines if re.fullmatch(r"\d+/\d+", line[2])}
    assert len(steps) > 2, watched.read_text()


def test_the_comparison_is_in_the_object(finished: Followed) -> None:
    status = finished.status()
    values = {one["subject"]: one["value"] for one in status["evaluations"] if one["metric"] == "kl"}
    assert {"algebra", "before", f"step-{CHECKPOINTS[0]}", "after"} <= set(values), values
    assert values["algebra"] == 0
    assert values["before"] > 0
    table = finished.installation.access.kubectl("get", "dj", NAME, "-n", finished.namespace).stdout
    assert status["best"]["display"] in table


def test_describe_tells_the_story(finished: Followed) -> None:
    told = finished.installation.access.kubectl("describe", "dj", NAME, "-n", finished.namespace).stdout
    for reason in ("AttemptStarted", "Training", "CheckpointSaved", "AttemptSucceeded", "Succeeded"):
        assert reason in told
    mine = [
        event
        for event in finished.installation.api.list(EVENTS, finished.namespace)
        if event["involvedObject"]["name"] == NAME and event["type"] == "Warning"
    ]
    assert mine == []


def test_mlflow_has_one_run_with_curves_and_the_comparison(finished: Followed) -> None:
    run = finished.run()
    assert run.runs_of_job(finished.document()["metadata"]["uid"]) == [run.run_id]
    finished.wait("run FINISHED", lambda: run.status() == "FINISHED", 60)
    assert run.steps("kl/teacher") == list(range(1, STEPS + 1))
    assert run.steps("eval/kl-to-teacher/kl") == [0, *CHECKPOINTS]
    assert {"train-request.json", "train-report.json"} <= run.files()


def test_the_comparison_in_mlflow_is_that_of_the_object(finished: Followed) -> None:
    made = Comparison.model_validate_json(json.dumps(finished.run().document(f"{COMPARED}/comparison.json")))
    recorded = {(one.subject, one.metric): one.value for one in made.scores}
    shown = {(one["subject"], one["metric"]): one["value"] for one in finished.status()["evaluations"]}
    assert shown.items() <= recorded.items()
    assert {one.subject for one in made.differences} >= {f"step-{CHECKPOINTS[0]}", "after"}


def test_mlflows_page_shows_curves_checkpoints_and_the_comparison(
    finished: Followed, artifacts: Path, tell: Callable[[str], None]
) -> None:
    run = finished.run()
    experiment = run.run()["info"]["experiment_id"]
    pages = {
        "mlflow-run": (f"runs/{run.run_id}", ["Finished", "kl/teacher", "eval/kl-to-teacher/kl"], ""),
        "mlflow-curves": (f"runs/{run.run_id}/model-metrics", ["teacher"], "scatterlayer"),
        "mlflow-artifacts": (f"runs/{run.run_id}/artifacts/{COMPARED}/comparison.html", ["comparison.html"], "iframe"),
    }
    with finished.installation.access.forwarded(SYSTEM, f"service/{RELEASE}-mlflow", 5000) as port:
        for name, (page, words, drawn) in pages.items():
            address = f"http://localhost:{port}/#/experiments/{experiment}/{page}"
            look(address, words, artifacts / f"{name}.png", drawn)
            tell(f"picture of MLflow: {artifacts / f'{name}.png'}")


@pytest.fixture(scope="module")
def here(finished: Followed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory of this machine in which the same file has run, with the cluster's student beside it."""
    root = tmp_path_factory.mktemp("here")
    shutil.copytree(tiny_inputs(finished.installation.cluster.volumes / "inputs"), root, dirs_exist_ok=True)
    gopd("run", str(EXAMPLE), "--workdir", str(root))
    shutil.copytree(finished.folder() / "exports" / f"step-{STEPS}", root / "models" / "of-the-cluster")
    (own,) = root.glob(f"jobs/default/{NAME}-*/exports/step-{STEPS}")
    shutil.copytree(own, root / "models" / "of-here")
    return root


def gopd(*words: str) -> None:
    """The command of somebody who works on this machine."""
    command = [str(REPOSITORY / ".venv" / "bin" / "gopd"), *words]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]


def comparison(root: Path, job: str) -> Comparison:
    (path,) = root.glob(f"jobs/default/{job}-*/evaluations/compare/comparison.json")
    return Comparison.model_validate_json(path.read_text())


def test_what_needs_no_training_has_the_same_value_here(finished: Followed, here: Path) -> None:
    """The same answers are drawn there and here."""
    there = {(one["subject"], one["metric"]): one["value"] for one in finished.status()["evaluations"]}
    scores = {(one.subject, one.metric): one.value for one in comparison(here, NAME).scores}
    assert scores["before", "kl"] == pytest.approx(there["before", "kl"], rel=1e-4)
    assert scores["algebra", "kl"] == there["algebra", "kl"] == 0


def test_the_student_is_as_good_as_one_trained_here(here: Path, tell: Callable[[str], None]) -> None:
    """Both students answer the same prompts; they differ by sums that were rounded in another order, or by chance.

    Neither is what it was before: of a training that did nothing, too, the two would be alike.
    """
    models = {"of-here": "of-here", "of-the-cluster": "of-the-cluster", "untrained": "tiny-student"}
    subjects = [{"name": name, "model": f"models/{model}"} for name, model in models.items()]
    task: Document = {"benchmark": "kl-to-teacher", "data": "data/tiny/train.jsonl", "teacher": "models/tiny-algebra"}
    document = {
        "apiVersion": "gopd.io/v1alpha1",
        "kind": "EvalJob",
        "metadata": {"name": "there-or-here"},
        "spec": {
            "subjects": subjects,
            "tasks": [task],
            "sampling": {"maxResponseTokens": 16},
            "compute": {"accelerator": "cpu"},
        },
    }
    (here / "there-or-here.yaml").write_text(json.dumps(document))
    gopd("run", str(here / "there-or-here.yaml"), "--workdir", str(here))
    made = comparison(here, "there-or-here")
    differences = {one.subject: one for one in made.differences if one.metric == "kl"}
    found, untrained = differences["of-the-cluster"], differences["untrained"]
    values = {one.subject: one.value for one in made.scores if one.metric == "kl"}
    tell(
        f"KL to the teacher of a student trained here {values['of-here']:.4f}, on the cluster "
        f"{values['of-the-cluster']:.4f}; paired difference {found.difference:+.2g} "
        f"[{found.ci_low:.2g}, {found.ci_high:.2g}]"
    )
    same = abs(found.difference) < ROUNDING * values["of-here"]
    assert untrained.ci_low is not None
    assert untrained.ci_low > max(0.0, found.ci_high or 0.0), "neither has learned anything"
    assert same or (found.ci_low is not None and found.ci_high is not None and found.ci_low <= 0 <= found.ci_high)
