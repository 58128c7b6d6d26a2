"""The supervisor around a stand-in for the training: deadlines, newer attempts, and a Ray cluster already there."""

import errno
import json
import os
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
from gopd_trainer.shell import checkpoint_files, driver, supervisor, surroundings
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


def full(*_: Any) -> str:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_that_cannot_be_written_ends_no_training_and_is_told_once(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoint_files, "write_atomically", full)
    limits = TrainLimits(stall_after_seconds=60, save_before_unix=time.time() + 0.5)
    request = train_request(tmp_path, limits=limits, publish=TARGET)
    assert run(request) == 3
    assert TrainReport.model_validate_json(server.data["report"]).reason == "DeadlineNear"
    assert capsys.readouterr().out.count(f"{request.paths.progress} cannot be written") == 1


CHECKPOINT = """
import json, pathlib, sys, time
with (pathlib.Path(sys.argv[1]) / "events.jsonl").open("a") as file:
    def tell(**event):
        print(json.dumps({"time": 0, **event}), file=file, flush=True)
    tell(kind="resumed", step=0, total=9)
    tell(kind="checkpoint", step=5, path="/c/5")
    time.sleep(1)
    for _ in range(15):
        tell(kind="rollout")
        time.sleep(0.1)
"""


@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "DiskFull"), (errno.ESTALE, "Error")])
def test_a_checkpoint_that_cannot_be_exported_ends_the_attempt_with_a_report(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def export(*_: Any) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoint_files, "export", export)
    request = train_request(tmp_path, publish=TARGET)
    command = [sys.executable, "-c", CHECKPOINT, request.paths.scratch]
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 1
    for text in (Path(request.paths.report).read_text(), server.data["report"]):
        report = TrainReport.model_validate_json(text)
        assert (report.outcome, report.reason) == ("failed", reason)
        assert os.strerror(number) in report.message


def test_a_long_export_is_no_silence_of_the_training(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*_: Any) -> str:
        time.sleep(2.2)
        return "sha256:" + "0" * 64

    monkeypatch.setattr(checkpoint_files, "export", export)
    request = train_request(tmp_path, publish=TARGET, limits=TrainLimits(stall_after_seconds=2))
    command = [sys.executable, "-c", CHECKPOINT, request.paths.scratch]
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 0


def test_a_checkpoint_is_exported_where_the_storage_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "global_step_5" / checkpoint_files.EXPORTED
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    linked = checkpoint_files.export(tmp_path / "global_step_5", tmp_path / "linked", "float32")

    def link(*_: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    copied = checkpoint_files.export(tmp_path / "global_step_5", tmp_path / "copied", "float32")
    assert copied == linked
    assert (tmp_path / "copied" / "model.safetensors").read_bytes() == b"weights"


def test_the_report_is_out_before_mlflow_is_waited_for(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = train_request(tmp_path, publish=TARGET)
    out: list[bool] = []
    monkeypatch.setattr(Tracker, "close", lambda *_: out.append("report" in server.data))
    command = [sys.executable, "-c", "raise SystemExit(1)"]
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 1
    assert out == [True]


def test_progress_says_that_mlflow_is_not_reached(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = train_request(tmp_path, publish=TARGET)
    command = [sys.executable, "-c", "raise SystemExit(1)"]
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 1
    assert "trackingHealthy" not in server.data["progress"]
    monkeypatch.setattr(Tracker, "healthy", False)
    assert supervisor.Supervisor(request, Path("request.json"), command).run() == 1
    assert Progress.model_validate_json(server.data["progress"]).tracking_healthy is False


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
