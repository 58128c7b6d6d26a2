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


def test_a_journal_of_a_database_that_was_removed_does_not_meet_the_new_one_and_a_backup_stays(tmp_path: Path) -> None:
    """As somebody leaves it who removes a broken database by hand: its journal would be rolled into the new one."""
    old, journal = tmp_path / "mlflow.db", tmp_path / "mlflow.db-journal"
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as database:
        database.execute("CREATE TABLE metrics (value TEXT)")
        database.execute("PRAGMA cache_spill = 1")
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN IMMEDIATE")
        for _ in range(100):
            database.execute("INSERT INTO metrics VALUES (?)", ("x" * 2000,))
        left = journal.read_bytes()
    assert len(left) > 512
    old.unlink()
    journal.write_bytes(left)
    (tmp_path / "mlflow.db-backup").write_text("kept")
    client = connect(f"sqlite:///{old}")
    assert client.get_experiment(client.create_experiment("one")).name == "one"
    with contextlib.closing(sqlite3.connect(old)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (tmp_path / "mlflow.db-backup").read_text() == "kept"
