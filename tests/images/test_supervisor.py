"""The supervisor around a stand-in for the training: deadlines, newer attempts, and a Ray cluster already there."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.images.api_server import TARGET, ApiServer
from tests.trainer.requests_for_tests import train_request

from gopd_api.reports import Progress, TrainReport
from gopd_api.requests import TrainLimits, TrainRequest
from gopd_tracking import Tracker
from gopd_trainer.core.options import on_ray_cluster, options
from gopd_trainer.shell import driver, supervisor, surroundings
from gopd_trainer.shell.publisher import Publisher

STAND_IN = """
import json, pathlib, sys, time
scratch = pathlib.Path(sys.argv[1])
with (scratch / "events.jsonl").open("a") as file:
    print(json.dumps({"kind": "resumed", "time": 0, "step": 4, "total": 9}), file=file, flush=True)
while not (scratch / "stop").exists():
    time.sleep(0.02)
sys.exit(3)
"""


def run(request: TrainRequest) -> int:
    command = [sys.executable, "-c", STAND_IN, request.paths.scratch]
    return supervisor.Supervisor(request, Path("request.json"), command).run()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    server = ApiServer(tmp_path)

    def publisher(request: TrainRequest) -> Publisher | None:
        return (
            None
            if request.publish is None
            else Publisher(server.config_map(), request.attempt, supervisor.say, quiet=0.1)
        )

    monkeypatch.setattr(supervisor, "publisher_of", publisher)
    yield server
    server.stop()


def test_a_training_that_saved_before_its_deadline_says_so(server: ApiServer, tmp_path: Path) -> None:
    limits = TrainLimits(stall_after_seconds=60, save_before_unix=time.time() + 0.5)
    request = train_request(tmp_path, limits=limits, publish=TARGET, attempt=2)
    assert run(request) == 3
    for text in (Path(request.paths.report).read_text(), server.data["report"]):
        report = TrainReport.model_validate_json(text)
        assert (report.outcome, report.reason, report.resumed_from) == ("stopped", "DeadlineNear", 4)
        assert report.request_digest == request.digest()
    published = Progress.model_validate_json(server.data["progress"])
    assert (published.attempt, published.phase, published.step) == (2, "stopped", 4)


def test_the_report_is_out_before_mlflow_is_waited_for(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = train_request(tmp_path, publish=TARGET)
    out: list[bool] = []
    monkeypatch.setattr(Tracker, "close", lambda *_: out.append("report" in server.data))
    command = [sys.executable, "-c", "raise SystemExit(1)"]
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 1
    assert out == [True]


def test_a_training_that_was_killed_says_what_helps_before_its_log(server: ApiServer, tmp_path: Path) -> None:
    request = train_request(tmp_path, publish=TARGET)
    command = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 1
    report = TrainReport.model_validate_json(server.data["report"])
    assert report.reason == "OutOfMemory"
    assert "give the pods more memory" in report.message[:300]


def test_a_training_that_a_newer_attempt_overtakes_ends_without_touching_what_is_its_own(
    server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = train_request(tmp_path, publish=TARGET)
    newer = Progress(request_digest=request.digest(), attempt=2, phase="training", heartbeat="now").to_json()
    server.data = {"progress": newer}
    assert run(request) == 3
    assert "stopped (Superseded)" in capsys.readouterr().out
    assert server.data == {"progress": newer}
    assert not Path(request.paths.progress).exists()
    assert not Path(request.paths.report).exists()


@pytest.mark.parametrize(("address", "cluster"), [(None, None), ("", None), ("local", None), ("10.0.0.1:6379",) * 2])
def test_rays_own_variable_says_whether_there_is_a_cluster(address: str | None, cluster: str | None) -> None:
    assert surroundings.ray_cluster({} if address is None else {"RAY_ADDRESS": address}) == cluster


def test_a_ray_cluster_keeps_its_sizes_and_gets_the_plugins_variables() -> None:
    request = train_request()
    here = options(request)
    chosen = on_ray_cluster(here, surroundings.shared_variables(request))
    variables = chosen.pop("ray_kwargs.ray_init.runtime_env.env_vars")
    assert set(here) - set(chosen) == {
        f"ray_kwargs.ray_init.{name}" for name in ("num_cpus", "num_gpus", "include_dashboard")
    }
    assert all(chosen[name] == here[name] for name in chosen)
    assert variables["VERL_PLATFORM"] == "cpu"
    assert "gopd_trainer.shell.loss" in variables["VERL_USE_EXTERNAL_MODULES"]
    assert variables["OMP_NUM_THREADS"] == "1"
    assert all(isinstance(value, str) for value in json.loads(json.dumps(variables)).values())
    assert not [name for name in variables if name.endswith("_TOKEN") or name.startswith("RAY_")]


def test_a_ray_cluster_has_no_fork_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert driver.fork_server_command(train_request()) is None
