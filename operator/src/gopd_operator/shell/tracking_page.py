"""`gopd ui`: the MLflow page of a work directory.

Limits: it serves the SQLite file of a work directory, on this machine only; a tracking server has its own page.
"""

import importlib.util
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import click

from gopd_operator.shell.errors import GopdError

HOST = "127.0.0.1"


def database(root: Path) -> Path:
    """The SQLite file of a work directory."""
    return root / "mlflow.db"


def tracking_uri(root: Path) -> str:
    """The default tracking URI of jobs that run in a work directory; `root` is absolute."""
    return f"sqlite:///{database(root)}"


def serve(root: Path, port: int) -> NoReturn:
    """Become `mlflow ui` on the work directory; raises GopdError when there is nothing to show or the port is taken."""
    if not database(root).is_file():
        raise GopdError(
            f"nothing has been recorded in {root} yet; run a job with `gopd run FILE --workdir {root}` first"
        )
    if importlib.util.find_spec("mlflow") is None:
        raise GopdError("MLflow is not installed here; install it with: uv pip install mlflow")
    if not _free(port):
        raise GopdError(f"port {port} is taken by another program; choose another with --port")
    command = [
        sys.executable, "-m", "mlflow", "ui",
        "--backend-store-uri", tracking_uri(root),
        "--default-artifact-root", (root / "mlflow-artifacts").as_uri(),
        "--host", HOST, "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    click.echo(f"MLflow: http://{HOST}:{port}{newest_runs(database(root))} (Ctrl-C ends it)")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.execv(sys.executable, command)


def newest_runs(file: Path) -> str:
    """Where on the page the runs are: its front page tells of features that are not used here."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as recorded:
            row = recorded.execute("SELECT experiment_id FROM runs ORDER BY start_time DESC LIMIT 1").fetchone()
    except sqlite3.Error:  # another version's tables: the front page leads there too
        return ""
    return f"/#/experiments/{row[0]}/runs" if row else ""


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
