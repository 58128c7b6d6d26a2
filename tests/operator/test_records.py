"""A training whose process died is recorded as FAILED or KILLED, in the run that it had."""

from pathlib import Path
from typing import Literal

import pytest
from mlflow import MlflowClient

from gopd_api.load import load_file
from gopd_api.requests import TrainRequest
from gopd_operator.core.plan import Step
from gopd_operator.core.workflow import Surroundings, plan
from gopd_operator.shell.records import record_end
from gopd_tracking import Tracker

TINY = Path(__file__).resolve().parents[2] / "examples" / "tiny.yaml"


def train_step(root: Path) -> Step:
    (job,) = load_file(TINY)
    steps = plan(job, Surroundings(str(root), f"sqlite:///{root}/mlflow.db")).steps
    return next(step for step in steps if step.kind == "train")


@pytest.mark.parametrize(("outcome", "status"), [("failed", "FAILED"), ("stopped", "KILLED")])
def test_the_run_of_a_training_that_died_ends(
    tmp_path: Path, outcome: Literal["failed", "stopped"], status: str
) -> None:
    step = train_step(tmp_path)
    assert isinstance(step.request, TrainRequest)
    tracker = Tracker.attach(step.request.tracking, step.request.job.uid, Path(step.request.paths.spool))
    tracker.metrics(1, {"train/loss": 0.5})
    assert tracker.flush(60)
    run_id = tracker.run_id
    assert run_id is not None
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert client.get_run(run_id).info.status == "RUNNING"

    assert record_end(step, outcome) is None

    run = client.get_run(run_id)
    assert run.info.status == status
    assert len(client.search_runs([run.info.experiment_id])) == 1
