"""What a run holds afterwards: parameters, metrics, artifacts, checkpoints, its parent; on real sqlite stores."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from gopd_tracking import Tracker
from gopd_tracking.spool import Spool


def begin(store: Any, uid: str = "job-1", spool: str = "spool", **fields: Any) -> Tracker:
    return Tracker.attach(store.request(**fields), uid, store.folder / spool)


def test_a_changed_parameter_is_drift_and_the_old_value_stays(store: Any) -> None:
    first = begin(store)
    first.params({"optimization": {"learningRate": 1e-6}, "nodes": 1})
    first.close("KILLED")
    second = begin(store)
    second.params({"optimization": {"learningRate": 1e-6}, "nodes": 2, "added": True})
    second.close("FINISHED")
    run = store.run("job-1")
    assert run.data.params == {"optimization.learningRate": "1e-06", "nodes": "1", "added": "True"}
    assert json.loads(run.data.tags["gopd.paramDrift"]) == {"nodes": ["1", "2"]}


def test_long_values_are_cut_with_a_note_and_long_names_refused_with_one(store: Any) -> None:
    tracker = begin(store)
    tracker.params({"prompt": "p" * 7000, "n" * 251: 1, **{f"option{number}": number for number in range(250)}})
    tracker.tags({"mlflow.note.content": "t" * 9000, "gopd.job.uid": "somebody else"})
    assert tracker.close("FINISHED") == 0
    run = store.run("job-1")
    assert len(run.data.params["prompt"]) == 6000
    assert len(run.data.params) == 251
    assert len(run.data.tags["mlflow.note.content"]) == 8000
    assert json.loads(run.data.tags["gopd.cut"]) == {
        "parameter prompt": "7000 characters, cut at 6000",
        "tag mlflow.note.content": "9000 characters, cut at 8000",
    }
    assert "251 characters" in run.data.tags["gopd.refused"]


def test_not_a_number_costs_no_other_metric_of_its_step(store: Any) -> None:
    tracker = begin(store)
    values = {"train/nan": math.nan, "train/inf": math.inf, "train/loss": 0.5, "train/word": "high", "a//b@c": 1}
    tracker.metrics(1, values)
    tracker.metrics(1, {"train/loss": 0.7})
    assert tracker.close("FINISHED") == 0
    metrics = store.run("job-1").data.metrics
    assert math.isnan(metrics.pop("train/nan"))
    assert metrics == {"train/inf": 1.7976931348623157e308, "train/loss": 0.5, "a/b_at_c": 1.0}
    assert store.steps("job-1", "train/loss") == [1]
    assert "train/word" in store.run("job-1").data.tags["gopd.refused"]


def test_a_step_of_more_than_1000_metrics_arrives_whole(store: Any) -> None:
    tracker = begin(store)
    for step in (1, 2):
        tracker.metrics(step, {f"train/layer{number}": number for number in range(2300)})
    assert tracker.close("FINISHED") == 0
    assert len(store.run("job-1").data.metrics) == 2300
    assert store.steps("job-1", "train/layer2299") == [1, 2]


def test_children_of_a_sweep_share_one_parent_that_is_not_left_running(store: Any) -> None:
    for uid in ("scale-1", "scale-2"):
        assert begin(store, uid, uid, parent_run_name="sweep").close("FINISHED") == 0
    (parent,) = store.runs("tags.`gopd.parent` = 'sweep'")
    assert (parent.info.run_name, parent.info.status) == ("sweep", "FINISHED")
    children = [store.run(uid).data.tags["mlflow.parentRunId"] for uid in ("scale-1", "scale-2")]
    assert children == [parent.info.run_id] * 2
    for _ in range(2):
        assert begin(store, "whole", "sweep", tags={"gopd.sweep": "sweep"}).close("FINISHED") == 0
    assert store.run("whole").info.run_id == parent.info.run_id, "the sweep's comparison stands in the same run"
    assert store.run("whole").info.status == "FINISHED"
    assert len(store.runs("")) == 3


def test_a_checkpoint_is_one_model_over_restarts_with_its_path_and_metrics(store: Any) -> None:
    first = begin(store)
    first.metrics(20, {"eval/gsm/acc": 0.5})
    first.checkpoint(20, Path("/data/global_step_20"), digest="sha256:1")
    first.close("KILLED")
    second = begin(store)
    second.checkpoint(20, Path("/data/global_step_20"))
    second.checkpoint(20, Path("/data/global_step_20"), Path("/data/step-20"), "sha256:1", {"eval/gsm/acc": 0.9})
    second.checkpoint(20, Path("/data/global_step_20"), metrics={"eval/math/acc": 0.25})
    second.checkpoint(40, Path("/data/global_step_40"))
    assert second.close("FINISHED") == 0
    models = {model.tags["gopd.checkpoint.step"]: model for model in store.models("job-1")}
    assert len(store.models("job-1")) == 2
    model = models["20"]
    assert str(model.status) == "READY"
    assert model.tags["gopd.checkpoint.path"] == "/data/global_step_20"
    assert model.tags["gopd.checkpoint.export"] == "/data/step-20"
    run = store.run("job-1")
    assert model.source_run_id == run.info.run_id
    outputs = sorted((output.step, output.model_id) for output in run.outputs.model_outputs)
    assert outputs == [(20, model.model_id), (40, models["40"].model_id)]
    # The run's own point counts: the model shows the same number, and the run has it once.
    assert {metric.key: metric.value for metric in model.metrics} == {"eval/gsm/acc": 0.5, "eval/math/acc": 0.25}
    assert store.points("job-1", "eval/gsm/acc") == [(20, 0.5)]
    assert store.points("job-1", "eval/math/acc") == [(20, 0.25)]


def test_artifacts_lie_beside_the_database_and_big_files_stay_where_they_are(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.folder)
    report = store.folder / "report.json"
    report.write_text('{"outcome": "succeeded"}')
    big = store.folder / "model.safetensors"
    with big.open("wb") as file:
        file.truncate(17_000_000)
    tracker = begin(store)
    tracker.artifact("request.json", '{"version": 1}')
    tracker.artifact_file(report, "evaluations/end/report-20.json")
    tracker.artifact_file(big, "model.safetensors")
    tracker.artifact_file(store.folder / "missing", "missing")
    tracker.artifact("../outside", "x")
    assert tracker.close("FINISHED") == 0
    kept = store.folder / "mlflow-artifacts" / str(tracker.run_id) / "artifacts"
    assert (kept / "request.json").read_text() == '{"version": 1}'
    assert (kept / "evaluations/end/report-20.json").read_text() == report.read_text()
    tags = store.run("job-1").data.tags
    assert str(big) in tags["gopd.artifactPaths"]
    assert json.loads(tags["gopd.refused"]).keys() == {"artifact missing", "artifact ../outside"}
    assert not (store.folder / "mlruns").exists()


def test_a_table_is_shown_as_one_and_written_again_replaces_itself(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)  # `load_table` asks the default address
    for values in ([0.5, None], [0.25, 1.0]):
        tracker = begin(store)
        tracker.table("evaluations/end/scores.json", {"subject": ["a", "<b> é"], "value": values})
        tracker.table("evaluations/end/other.json", {"answer": []})
        assert tracker.close("FINISHED") == 0
    run = store.run("job-1")
    table = store.client.load_table(run.info.experiment_id, "evaluations/end/scores.json", [run.info.run_id])
    assert table.to_dict("list") == {"subject": ["a", "<b> é"], "value": [0.25, 1.0]}
    assert [one["path"] for one in json.loads(run.data.tags["mlflow.loggedArtifacts"])] == [
        "evaluations/end/scores.json", "evaluations/end/other.json",
    ]  # fmt: skip


def test_a_file_that_is_gone_when_it_is_sent_holds_up_nothing(store: Any) -> None:
    start = begin(store)
    start.close("KILLED")
    second = begin(store)
    report = store.folder / "report.json"
    report.write_text("{}")
    with Spool(store.folder / "spool").sending():  # the sender waits here
        time.sleep(0.3)
        second.artifact_file(report, "report.json")
        second.metrics(1, {"train/loss": 1.0})
        report.unlink()
    assert second.close("FINISHED") == 0
    assert store.steps("job-1", "train/loss") == [1]
    assert "1 entries were refused" in second.healthy_reason
    assert "cannot be read" in (store.folder / "spool" / "refused.jsonl").read_text()
