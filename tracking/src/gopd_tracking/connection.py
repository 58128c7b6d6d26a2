"""The MLflow client of a tracking address.

Settles what MLflow leaves to chance: telemetry is off, its own retries (four minutes by default) are off where the
environment does not say otherwise, a new sqlite database is made by one process and whole, and its artifacts lie
beside it instead of in `./mlruns`. Only MlflowClient is used: no active run, no global address.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import uuid
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from gopd_tracking.locks import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALWAYS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
UNLESS_SET = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
DATABASE_PATIENCE_SECONDS = 60.0
PAGE_OPTIONS = "?workflowType=machine_learning"
"""Opens the pages of runs, curves and models; without it MLflow opens those for agents in a new browser."""
_SQLITE = re.compile(r"^sqlite(?:\+\w+)?:///(?P<path>[^?]*)")
_PASSWORD = re.compile(r"(?<=://)[^/@]+@")


class UnavailableError(Exception):
    """MLflow cannot be asked now; worth another try."""


def import_mlflow(uri: str) -> None:
    """Import what the address needs, in the calling thread (1-2 s)."""
    os.environ.update(ALWAYS)
    for key, value in UNLESS_SET.items():
        os.environ.setdefault(key, value)
    importlib.import_module("mlflow")
    if sqlite_file(uri):
        importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        importlib.import_module("alembic.command")
    for noisy in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def connect(uri: str) -> MlflowClient:
    """A client of `uri`; a new sqlite database gets its tables here (seconds).

    Raises UnavailableError while another process makes the database; anything that MLflow raises passes through.
    """
    import_mlflow(uri)
    from mlflow import MlflowClient

    with taking_turns(uri):
        if (file := sqlite_file(uri)) and not (file.exists() and file.stat().st_size):
            _make(file)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make(file: Path) -> None:
    """A new database, whole or not at all: where MLflow is killed between two tables it never opens the file again."""
    from mlflow import MlflowClient

    for rest in file.parent.glob(f".{file.name}.new-*"):
        rest.unlink(missing_ok=True)
    # A name for this try only: MLflow keeps its connections by address, also those to a file that is gone.
    new = file.with_name(f".{file.name}.new-{uuid.uuid4().hex[:8]}")
    MlflowClient(tracking_uri=f"sqlite:///{new}", registry_uri=f"sqlite:///{new}")
    for kind in ("journal", "wal", "shm"):  # of a file that was removed: they would be rolled into the new one
        file.with_name(f"{file.name}-{kind}").unlink(missing_ok=True)
    new.replace(file)


def taking_turns(uri: str) -> AbstractContextManager[object]:
    """A context that one process at a time is in, for a sqlite address; no context at all for a server."""
    file = sqlite_file(uri)
    return _Turn(file) if file else nullcontext()


class _Turn:
    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = locked(file.with_name(file.name + ".lock"), DATABASE_PATIENCE_SECONDS)

    def __enter__(self) -> None:
        if not self._lock.__enter__():
            self._lock.__exit__(None, None, None)
            raise UnavailableError("another process is busy making the database")

    def __exit__(self, *failure: object) -> None:
        self._lock.__exit__(None, None, None)


def sqlite_file(uri: str) -> Path | None:
    """The database file of a sqlite address, absolute; None for other addresses and for one in memory."""
    match = _SQLITE.match(uri)
    if match is None or match["path"] in ("", ":memory:"):
        return None
    return Path(match["path"]).absolute()


def artifact_location(uri: str) -> str | None:
    """Where a new experiment keeps artifacts; None where the server decides."""
    file = sqlite_file(uri)
    return (file.parent / "mlflow-artifacts").as_uri() if file else None


def shown(uri: str) -> str:
    """The address without a user's name and password."""
    return _PASSWORD.sub("", uri)


def said(error: Exception) -> str:
    """The error in one line, without a password: MLflow repeats the address as it was given."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {shown(lines[0])[:300]}"


def page(uri: str, experiment_id: str, run_id: str) -> str | None:
    """The run's page on a server; None for a database, which has no page of its own."""
    if not uri.startswith(("http://", "https://")):
        return None
    return f"{shown(uri).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}{PAGE_OPTIONS}"
