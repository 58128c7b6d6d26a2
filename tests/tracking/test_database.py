"""A new sqlite database, whatever happens while MLflow makes its tables."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gopd_tracking.connection import connect

MAKE = "import sys; from gopd_tracking.connection import connect; connect(sys.argv[1])"
IN_THE_MIDDLE = "SELECT 1 FROM sqlite_master WHERE name = 'index_params_run_uuid'"
"""Made by one of MLflow's migrations, which cannot make it a second time."""


def in_the_middle(folder: Path) -> bool:
    for file in (path for path in folder.glob("*mlflow.db*") if path.suffix != ".lock" and "-journal" not in path.name):
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(file)) as database:
            if database.execute(IN_THE_MIDDLE).fetchone():
                return True
    return False


@pytest.mark.timeout(120)
def test_a_database_whose_making_was_killed_is_made_anew(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    process = subprocess.Popen([sys.executable, "-c", MAKE, uri])
    give_up = time.monotonic() + 60
    while not in_the_middle(tmp_path):
        assert time.monotonic() < give_up
        assert process.poll() is None, "it was made too fast to be killed"
        time.sleep(0.001)
    process.kill()
    process.wait()
    client = connect(uri)
    experiment = client.create_experiment("one")
    assert isinstance(client, MlflowClient)
    assert client.get_experiment(experiment).name == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
