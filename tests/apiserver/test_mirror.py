"""The mirror inside of the operator on a real API server: what MLflow hears, and that nothing waits for it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.apiserver.stage import Stage
from tests.cluster import ray_faults
from tests.cluster.api import DISTILLATION_JOBS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.ray_autopilot import ray_autopilot

pytestmark = pytest.mark.timeout(300)
RUN = "0123456789abcdef0123456789abcdef"


class Recorder(ThreadingHTTPServer):
    """Answers as MLflow would, for one run of one job, and keeps what it was told."""

    daemon_threads = True
    uid = ""
    hangs = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.told: list[dict[str, Any]] = []
        self.released = threading.Event()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def statuses(self) -> list[str]:
        return [one["status"] for one in self.told if "status" in one]


class Answers(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        if self.server.hangs:
            self.server.released.wait(60)
        tags = [{"key": "gopd.job.uid", "value": self.server.uid}]
        self._answer({"run": {"info": {"status": "RUNNING"}, "data": {"tags": tags}}})

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def mlflow() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def operator(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, mlflow: Recorder
) -> Iterator[OperatorProcess]:
    """An operator of this namespace only, whose MLflow is the recorder."""
    grant(control_plane, namespace, tmp_path / "access.yaml")
    kubeconfig = control_plane.account_kubeconfig(HOME, ACCOUNT)
    with OperatorProcess(kubeconfig, tmp_path, namespaces=[namespace], trackingUri=mlflow.uri) as running:
        yield running


@pytest.fixture
def stage(control_plane: ControlPlane, operator: OperatorProcess, namespace: str) -> Iterator[Stage]:
    made = Stage(control_plane, namespace)
    with made.kubelet.autopilot(made.answer), ray_autopilot(made.api, namespace, only_deletions=True):
        yield made


def recorded(stage: Stage, mlflow: Recorder, **spec: Any) -> str:
    """The first attempt of a job that trains and has told its run."""
    mlflow.uid = stage.apply(**spec)["metadata"]["uid"]
    rayjob = stage.wait_attempt(1)
    stage.ray.start(rayjob)
    stage.trains(rayjob, 5, saved=(5,), run=RUN)
    stage.until(lambda: stage.status().get("mlflow", {}).get("runId") == RUN, "the run in status")
    return rayjob


def test_failed_deleted_and_suspended_jobs_end_their_runs(stage: Stage, mlflow: Recorder) -> None:
    recorded(stage, mlflow)
    stage.suspend(True)
    stage.until(lambda: mlflow.statuses == ["KILLED"], "KILLED for suspension")
    stage.suspend(False)
    stage.wait_attempt(2)
    stage.api.delete(DISTILLATION_JOBS, stage.namespace, "tiny")
    stage.until(lambda: mlflow.statuses == ["KILLED", "KILLED"], "KILLED for deletion", 60)
    stage.until(lambda: not stage.rayjobs(), "nothing is left", 60)
    rayjob = recorded(stage, mlflow, lifecycle={"maxAttempts": 1})
    ray_faults.application_error(stage.ray, rayjob)
    stage.wait_phase("Failed")
    stage.until(lambda: mlflow.statuses[2:] == ["FAILED"], "FAILED")
    stage.until(lambda: "tags" in mlflow.told[-1], "tags")
    assert {"key": "gopd.phase", "value": "Failed"} in mlflow.told[-1]["tags"]


def test_an_mlflow_that_hangs_holds_nothing_up(stage: Stage, mlflow: Recorder, operator: OperatorProcess) -> None:
    mlflow.hangs = True
    rayjob = recorded(stage, mlflow)
    stage.suspend(True)
    stage.wait_phase("Suspended", seconds=15)
    stage.suspend(False)
    second = stage.wait_attempt(2, seconds=15)
    assert second != rayjob
    stage.until(lambda: "gopd_mlflow_up 0.0" in operator.asked("/metrics")[1], "the metric", 30)
    assert operator.asked("/healthz")[0] == 200
    stage.ray.start(second)
    stage.succeed(second)
    stage.wait_phase("Succeeded", seconds=60)
    assert mlflow.told == []
