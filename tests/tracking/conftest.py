"""Real stores for the tests of gopd_tracking: sqlite files with MLflow's tables, and one `mlflow server` that can die.

The server starts in the background with the session (its own imports take many seconds) and is waited for where it is
needed first. Points are counted through MLflow's own API.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.tracking.servers import Server

from gopd_api.requests import TrackingRequest
from gopd_tracking.connection import connect

ATTEMPT = Path(__file__).parent / "attempt.py"
PYTHON = sys.executable


@dataclass
class Store:
    """An address, and what can be read there."""

    uri: str
    folder: Path
    experiment: str = "distillation"

    def request(self, **fields: Any) -> TrackingRequest:
        return TrackingRequest(uri=self.uri, experiment=self.experiment, run_name="exopd", **fields)

    @property
    def client(self) -> Any:
        return connect(self.uri)

    def runs(self, filter_string: str = "") -> list[Any]:
        known = self.client.get_experiment_by_name(self.experiment)
        return list(self.client.search_runs([known.experiment_id], filter_string)) if known else []

    def run(self, uid: str) -> Any:
        (found,) = self.runs(f"tags.`gopd.job.uid` = '{uid}'")
        return found

    def points(self, uid: str, key: str) -> list[tuple[int, float]]:
        """Every point of the key, as often as MLflow holds it."""
        history = self.client.get_metric_history(self.run(uid).info.run_id, key)
        return sorted((point.step, point.value) for point in history)

    def steps(self, uid: str, key: str) -> list[int]:
        return [step for step, _ in self.points(uid, key)]

    def models(self, uid: str) -> list[Any]:
        run = self.run(uid)
        return list(self.client.search_logged_models([run.info.experiment_id], f"tags.`gopd.job.uid` = '{uid}'"))


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has made, to be copied: making one takes seconds."""
    file = tmp_path_factory.mktemp("tables") / "mlflow.db"
    connect(f"sqlite:///{file}")
    return file


@pytest.fixture
def store(tables: Path, tmp_path: Path) -> Store:
    shutil.copyfile(tables, tmp_path / "mlflow.db")
    return Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)


@pytest.fixture(scope="session", autouse=True)
def starting_server(tmp_path_factory: pytest.TempPathFactory, tables: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(tables, folder / "mlflow.db")
    server = Server(folder, port)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(starting_server: Server) -> Server:
    starting_server.wait()
    return starting_server


@pytest.fixture
def server_store(server: Server, tmp_path: Path) -> Store:
    return Store(server.uri, tmp_path, experiment=f"distillation-{tmp_path.name}")


@pytest.fixture
def attempt() -> Iterator[Any]:
    """Starts attempts in processes of their own; what still runs at the end of the test is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(store: Store, uid: str, first: int, last: int, pause: float = 0.0, end: str = "FINISHED") -> Any:
        command = [PYTHON, str(ATTEMPT), store.uri, store.experiment, uid, str(store.folder / uid / "spool")]
        command += [str(first), str(last), str(pause), end]
        # A user's environment: in one of a test or a CI, MLflow would keep silent by itself.
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen(
                command, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=store.folder, env=environment
            )
        )
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
