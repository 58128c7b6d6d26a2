"""A real `mlflow server`: over HTTP, killed in the middle, and started again."""

import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gopd_tracking import Tracker, end_run, recorded

PATIENCE = 30.0


def send(spool: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gopd_tracking", "send", str(spool)], capture_output=True, text=True, check=False
    )


def test_everything_arrives_over_http(server_store: Any) -> None:
    tracker = Tracker.attach(server_store.request(parent_run_name="sweep"), "job-1", server_store.folder / "spool")
    tracker.metrics(1, {"train/nan": math.nan, "train/inf": -math.inf, "train/loss": 0.5})
    tracker.params({f"option{number}": "v" * 5990 for number in range(300)})
    tracker.artifact("request.json", "{}")
    tracker.checkpoint(1, Path("/data/global_step_1"), metrics={"eval/gsm/acc": 0.5})
    assert tracker.close("FAILED") == 0
    run = server_store.run("job-1")
    assert math.isnan(run.data.metrics["train/nan"])
    assert run.data.metrics["train/inf"] == -1.7976931348623157e308
    assert len(run.data.params) == 300
    assert run.info.status == "FAILED"
    assert [file.path for file in server_store.client.list_artifacts(run.info.run_id)] == ["request.json"]
    (model,) = server_store.models("job-1")
    assert [metric.value for metric in model.metrics] == [0.5]
    place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
    assert tracker.url == f"{server_store.uri}/{place}"
    assert recorded(server_store.folder / "spool").url == tracker.url


def test_an_outage_in_the_middle_loses_nothing_and_doubles_nothing(server: Any, server_store: Any) -> None:
    lasting = Tracker.attach(server_store.request(), "job-1", server_store.folder / "lasting")
    ending = Tracker.attach(server_store.request(), "job-2", server_store.folder / "ending")
    for step in range(1, 11):
        lasting.metrics(step, {"train/loss": step})
        ending.metrics(step, {"train/loss": step})
    assert lasting.flush(PATIENCE)
    assert ending.flush(PATIENCE)
    server.kill()
    server.start()  # it needs seconds until it answers; all of this happens before
    for step in range(11, 21):
        lasting.metrics(step, {"train/loss": step})
        ending.metrics(step, {"train/loss": step})
    until = time.monotonic() + PATIENCE
    while lasting.healthy and time.monotonic() < until:
        time.sleep(0.05)
    assert not lasting.healthy
    assert f"MLflow at {server.uri} cannot be written" in lasting.healthy_reason
    assert ending.close("FINISHED", timeout=0.5) == 11
    refused = send(server_store.folder / "ending")
    assert refused.returncode == 1
    assert "11 of 11 entries still wait" in refused.stderr
    assert "Traceback" not in refused.stderr
    server.wait()
    for step in range(21, 31):
        lasting.metrics(step, {"train/loss": step})
    assert lasting.close("FINISHED", timeout=PATIENCE) == 0
    assert lasting.healthy_reason == f"recorded at {server.uri}"
    assert server_store.points("job-1", "train/loss") == [(step, float(step)) for step in range(1, 31)]
    assert server_store.run("job-2").info.status == "RUNNING"
    sent = send(server_store.folder / "ending")
    assert sent.returncode == 0, sent.stderr
    assert "11 entries sent to run" in sent.stdout
    assert "0 left" in sent.stdout
    assert server_store.steps("job-2", "train/loss") == list(range(1, 21))
    assert server_store.run("job-2").info.status == "FINISHED"
    assert end_run(server_store.request(), "job-2", "KILLED") is None
    assert server_store.run("job-2").info.status == "KILLED"
