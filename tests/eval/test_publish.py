"""What the comparison sends to a job's run, and what it sends for a training that could not."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from gopd_api.reports import Comparison
from gopd_api.requests import EvalRequest
from gopd_eval.shell.publish import publish
from gopd_tracking import Tracker
from gopd_tracking.spool import Spool

from . import made_up


@pytest.fixture
def request_(tmp_path: Path) -> EvalRequest:
    made = made_up.request()
    paths = made.paths.model_copy(update={"comparison": str(tmp_path / "evaluations" / "compare" / "comparison.json")})
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    return made.model_copy(update={"paths": paths, "tracking": made.tracking.model_copy(update={"uri": uri})})


def nothing_compared(request: EvalRequest) -> Comparison:
    return Comparison(request_digest=request.digest(), baseline=request.baseline, scores=[], differences=[])


def recorded(request: EvalRequest) -> Run:
    client = MlflowClient(request.tracking.uri)
    experiment = client.get_experiment_by_name(request.tracking.experiment)
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def test_a_job_without_a_training_has_a_run_that_ends_with_its_comparison(request_: EvalRequest) -> None:
    publish(request_, nothing_compared(request_), "", [])
    assert recorded(request_).info.status == "FINISHED"


def test_what_a_training_could_not_send_comes_with_the_comparison_and_so_does_its_end(
    request_: EvalRequest, tmp_path: Path
) -> None:
    spool = tmp_path / "scratch" / "tracking"
    training = Tracker.attach(request_.tracking, request_.job.uid, spool)
    assert training.flush(30)
    with Spool(spool).sending():  # MLflow is away: nothing more is sent
        training.metrics(7, {"train/loss": 0.5})
        assert training.close("FINISHED", 0.1)
    assert recorded(request_).info.status == "RUNNING"
    paths = request_.paths.model_copy(update={"spool": str(spool)})
    later = request_.model_copy(update={"paths": paths})
    publish(later, nothing_compared(later), "", [])
    run = recorded(later)
    assert (run.info.status, run.data.metrics["train/loss"]) == ("FINISHED", 0.5)
    assert Spool(spool).left() == 0


def test_a_comparison_does_not_end_the_run_of_a_training_that_goes_on(request_: EvalRequest, tmp_path: Path) -> None:
    paths = request_.paths.model_copy(update={"spool": str(tmp_path / "scratch" / "tracking")})
    during = request_.model_copy(update={"paths": paths})
    training = Tracker.attach(during.tracking, during.job.uid, Path(paths.spool or ""))
    assert training.flush(30)
    publish(during, nothing_compared(during), "", [])
    assert recorded(during).info.status == "RUNNING"
    training.close("FAILED", 10)
    assert recorded(during).info.status == "FAILED"
