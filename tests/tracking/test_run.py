"""One run a job, one point a step, on real sqlite stores."""

import json
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gopd_api.requests import TrackingRequest
from gopd_api.run_tags import UID_TAG
from gopd_tracking import Tracker, end_run, recorded, runs
from gopd_tracking.record import RunRecord
from gopd_tracking.spool import Spool

PATIENCE = 30.0


def begin(store: Any, uid: str = "job-1", spool: str = "spool", **fields: Any) -> Tracker:
    return Tracker.attach(store.request(**fields), uid, store.folder / spool)


def test_an_attempt_that_resumes_behind_what_was_logged_adds_one_point_a_step(store: Any) -> None:
    first = begin(store)
    for step in range(1, 26):
        first.metrics(step, {"train/loss": step, "kl/teacher": step})
    assert first.close("KILLED") == 0
    second = begin(store)
    for step in range(21, 41):
        second.metrics(step, {"train/loss": -step, "kl/teacher": -step, "perf/resumed": 1})
    assert second.close("FINISHED") == 0
    expected = [(step, float(step if step <= 25 else -step)) for step in range(1, 41)]
    assert store.points("job-1", "train/loss") == expected
    assert store.points("job-1", "kl/teacher") == expected
    assert store.steps("job-1", "perf/resumed") == list(range(21, 41))
    assert second.run_id == first.run_id
    assert store.run("job-1").info.status == "FINISHED"


def test_a_training_whose_job_was_deleted_does_not_change_how_its_run_ended(store: Any) -> None:
    training = begin(store)
    training.metrics(1, {"train/loss": 1.0})
    assert training.flush(PATIENCE)
    store.client.set_tag(training.run_id, "gopd.phase", "Deleted")
    store.client.set_terminated(training.run_id, "KILLED")
    training.close("FAILED")
    assert store.run("job-1").info.status == "KILLED"


def test_a_lost_spool_does_not_double_the_curve(store: Any) -> None:
    first = begin(store, spool="of-a-node-that-is-gone")
    for step in range(1, 11):
        first.metrics(step, {"train/loss": 1.0, "eval/gsm/acc": 0.1})
    first.close("KILLED")
    second = begin(store, spool="new")
    for step in range(6, 16):
        second.metrics(step, {"train/loss": 1.0, "eval/gsm/acc": 0.1})
    second.metrics(0, {"eval/gsm/acc": 0.0})
    assert second.close("FINISHED") == 0
    assert store.steps("job-1", "train/loss") == list(range(1, 16))
    assert store.steps("job-1", "eval/gsm/acc") == list(range(16))


def test_sent_and_not_acknowledged_is_sent_again_without_a_second_point(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Spool, "set_sent", full)
        first = begin(store)
        first.metrics(1, {"train/loss": 1.0})
        assert first.close("KILLED", timeout=1.5) == 3
        assert not first.healthy
        assert "No space left" in first.healthy_reason
    created = store.run("job-1").info.run_id
    second = begin(store)
    second.metrics(2, {"train/loss": 1.0})
    assert second.close("FINISHED") == 0
    assert second.run_id == created
    assert store.steps("job-1", "train/loss") == [1, 2]


def test_of_two_runs_made_at_once_the_oldest_stays(store: Any) -> None:
    client, request = store.client, store.request()
    experiment_id = runs.experiment(client, request)
    first = runs.find_or_create(client, request, experiment_id, "job-1", 1000)
    made: list[Any] = []
    late = runs._create(client, experiment_id, UID_TAG, "job-1", "exopd", {UID_TAG: "job-1"}, 2000)
    made.append(late.info.run_id)
    assert made == [first.info.run_id]
    assert len(store.runs("tags.`gopd.job.uid` = 'job-1'")) == 1


def test_an_ended_run_is_open_again_while_another_attempt_runs(store: Any) -> None:
    begin(store).close("FAILED")
    assert store.run("job-1").info.status == "FAILED"
    second = begin(store, tags={"gopd.attempt": "2"})
    assert second.flush(PATIENCE)
    assert store.run("job-1").info.status == "RUNNING"
    assert store.run("job-1").data.tags["gopd.attempt"] == "2"
    second.close("FINISHED")
    assert store.run("job-1").info.status == "FINISHED"


def test_an_executor_ends_the_run_of_a_process_that_died_and_sends_what_it_left(store: Any) -> None:
    dead = begin(store)
    assert dead.flush(PATIENCE)
    spool = Spool(store.folder / "spool")
    with spool.sending():  # what follows is spooled and not sent, as by a process that is killed
        dead.metrics(1, {"train/loss": 1.0})
        dead._delivery.close(0.1)  # type: ignore[union-attr]
    assert store.run("job-1").info.status == "RUNNING"
    assert end_run(store.request(), "job-1", "KILLED", store.folder / "spool") is None
    assert store.run("job-1").info.status == "KILLED"
    assert store.steps("job-1", "train/loss") == [1]
    assert end_run(store.request(), "job-1", "FAILED") is None
    assert store.run("job-1").info.status == "FAILED"
    assert end_run(store.request(), "job-2", "FAILED") == "there is no run of job job-2 to end"
    status = recorded(store.folder / "spool")
    assert (status.run_id, status.url) == (store.run("job-1").info.run_id, None)


def test_a_run_that_somebody_deletes_is_written_anew_from_the_spool(store: Any) -> None:
    tracker = begin(store)
    tracker.params({"seed": 1})
    tracker.metrics(1, {"train/loss": 1.0})
    assert tracker.flush(PATIENCE)
    old = str(tracker.run_id)
    store.client.delete_run(old)
    tracker.metrics(2, {"train/loss": 0.5})
    assert tracker.close("FINISHED") == 0
    assert tracker.run_id != old
    assert store.points("job-1", "train/loss") == [(1, 1.0), (2, 0.5)]
    assert store.run("job-1").data.params == {"seed": "1"}


def test_an_entry_that_mlflow_never_takes_is_kept_aside_and_the_rest_is_recorded(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gopd_tracking.values.NAME_LIMIT", 400)
    tracker = begin(store)
    with Spool(store.folder / "spool").sending():
        tracker.metrics(1, {"train/loss": 1.0})
        tracker.metrics(2, {"x" * 300: 1.0})
        tracker.metrics(3, {"train/loss": 3.0})
    assert tracker.close("FINISHED") == 0
    assert store.steps("job-1", "train/loss") == [1, 3]
    (refused,) = (store.folder / "spool" / "refused.jsonl").read_text().splitlines()
    assert "exceeds the maximum length" in json.loads(refused)["reason"]


def test_without_an_address_every_call_is_taken_and_the_reason_said(tmp_path: Path) -> None:
    tracker = Tracker.attach(TrackingRequest(uri=None, experiment="e", run_name="r"), "job-1", tmp_path / "spool")
    tracker.metrics(1, {"train/loss": 1.0})
    tracker.params({"a": 1})
    tracker.checkpoint(1, tmp_path)
    assert tracker.close("FINISHED") == 0
    assert tracker.healthy
    assert tracker.healthy_reason == "tracking is off: tracking.uri is not set"
    assert not (tmp_path / "spool").exists()


def test_a_spool_that_cannot_be_written_stops_nothing_and_is_said(store: Any) -> None:
    (store.folder / "file").write_text("")
    tracker = Tracker.attach(store.request(), "job-1", store.folder / "file" / "spool")
    tracker.metrics(1, {"train/loss": 1.0})
    assert tracker.close("FINISHED") == 0
    assert not tracker.healthy
    assert "file/spool cannot be used" in tracker.healthy_reason


def test_logging_does_not_wait_for_a_server_that_is_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    request = TrackingRequest(uri="http://user:secret@127.0.0.1:9", experiment="e", run_name="r")
    with caplog.at_level(logging.WARNING):
        tracker = Tracker.attach(request, "job-1", tmp_path / "spool")
        values = {f"train/metric{number}": 0.1 for number in range(107)}
        seconds = []
        for step in range(200):
            began = time.perf_counter()
            tracker.metrics(step, values)
            seconds.append(time.perf_counter() - began)
        assert statistics.median(seconds) < 0.002
        began = time.monotonic()
        assert tracker.close("FINISHED", timeout=1.0) == 202
        assert time.monotonic() - began < 3.0
    assert not tracker.healthy
    assert "http://127.0.0.1:9 cannot be written" in tracker.healthy_reason
    assert "secret" not in caplog.text + tracker.healthy_reason
    assert "python -m gopd_tracking send" in caplog.text


@pytest.mark.parametrize("uri", ["gopher://x", "sqlite:////proc/none/mlflow.db"])
def test_an_address_that_mlflow_cannot_use_is_a_reason_and_no_error(uri: str, tmp_path: Path) -> None:
    tracker = Tracker.attach(TrackingRequest(uri=uri, experiment="e", run_name="r"), "job-1", tmp_path / "spool")
    assert tracker.close("FINISHED", timeout=2.0) == 2
    assert not tracker.healthy
    assert uri in tracker.healthy_reason


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, MLflow takes half a second for each entry."""
    apply = RunRecord.apply

    def slow(*given: Any) -> None:
        time.sleep(0.5)
        apply(*given)

    return lambda: monkeypatch.setattr(RunRecord, "apply", slow)


def test_closing_ends_although_a_long_backlog_gets_through(store: Any, slowly: Callable[[], None]) -> None:
    tracker = begin(store)
    assert tracker.flush(PATIENCE)
    slowly()
    for number in range(40):
        tracker.artifact(f"{number}.txt", "twenty seconds of work")
    began = time.monotonic()
    assert tracker.close("FINISHED", timeout=1.0) > 0
    assert 3.0 < time.monotonic() - began < 10.0


def test_closing_goes_on_as_long_as_something_gets_through(store: Any, slowly: Callable[[], None]) -> None:
    tracker = begin(store)
    assert tracker.flush(PATIENCE)
    slowly()
    for number in range(6):
        tracker.artifact(f"{number}.txt", "a slow server takes its time")
    assert tracker.close("FINISHED", timeout=1.5) == 0
    assert store.run("job-1").info.status == "FINISHED"
