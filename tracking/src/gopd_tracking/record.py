"""What each kind of entry does to the run.

Every act can be repeated: it leaves the same run when it is done twice. Points are not chosen here (see `marks`).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gopd_api.run_tags import DELETED, PHASE_TAG, UID_TAG
from gopd_tracking import checkpoints, runs
from gopd_tracking.connection import connect
from gopd_tracking.entries import (
    AnyEntry,
    Attached,
    Checkpoint,
    Ended,
    FileArtifact,
    Metrics,
    Note,
    Params,
    TableArtifact,
    Tags,
    TextArtifact,
)
from gopd_tracking.marks import EVALUATION, Marks
from gopd_tracking.spool import SpooledJob
from gopd_tracking.values import METRICS_PER_BATCH, PARAMS_PER_BATCH, batches, json_size, merged_note

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DRIFT_TAG = "gopd.paramDrift"
METRIC_BYTES = 400
TABLES_TAG = "mlflow.loggedArtifacts"
"""MLflow's own list of a run's tables."""


class RefusedError(Exception):
    """The entry cannot be recorded, now or later."""


class RunGoneError(Exception):
    """The run that was written to is deleted; the job's record has to be written anew."""


class RunRecord:
    """The job's run at an address. Connects on first use; anything that MLflow raises passes through."""

    def __init__(self, job: SpooledJob) -> None:
        if job.tracking.uri is None:
            raise ValueError("tracking.uri: it is not set; nothing can be recorded")
        self._job = job
        self.uri = job.tracking.uri
        self._client: MlflowClient | None = None
        self.run_id: str | None = None
        self.experiment_id: str | None = None
        self._learned: set[str] = set()

    @property
    def client(self) -> MlflowClient:
        """The connected client."""
        if self._client is None:
            self._client = connect(self.uri)
        return self._client

    def open(self, entry: AnyEntry) -> Run:
        """The job's run as it is now; created unless the entry only ends it, for which it must exist.

        Raises RunGoneError, once, when the run used until now is deleted.
        """
        if self.run_id is not None:
            return self._same_run(self.run_id)
        tracking = self._job.tracking
        self.experiment_id = runs.experiment(self.client, tracking)
        if isinstance(entry, Ended) and not runs.find(self.client, self.experiment_id, UID_TAG, self._job.uid):
            raise RefusedError(f"there is no run of job {self._job.uid} to end")
        run = runs.find_or_create(self.client, tracking, self.experiment_id, self._job.uid, entry.time_ms)
        self.run_id = run.info.run_id
        return run

    def _same_run(self, run_id: str) -> Run:
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            run = None
        if run is None or run.info.lifecycle_stage != "active":
            self.run_id = None
            self._learned.clear()
            raise RunGoneError(f"run {run_id} was deleted in MLflow")
        return run

    def apply(self, entry: AnyEntry, marks: Marks) -> None:
        """Do what an entry other than metrics asks; `marks` learn what the run has."""
        run = self.open(entry)
        match entry:
            case Attached():
                self._attach(run, marks)
            case Checkpoint():
                checkpoints.record(self.client, run, self._job.uid, entry)
                for key in entry.metrics:
                    marks.add(key, [entry.step])
            case Ended():
                # The operator's word about a deleted job stands: its training only sees that its machines go.
                deleted = run.data.tags.get(PHASE_TAG) == DELETED
                if run.info.status != entry.status and not deleted:
                    self.client.set_terminated(run.info.run_id, entry.status, entry.time_ms)
            case TextArtifact():
                self.client.log_text(run.info.run_id, entry.text, entry.name)
            case TableArtifact():
                self._table(run, entry)
            case FileArtifact():
                self._file(run.info.run_id, Path(entry.path), entry.name)
            case _:
                self._describe(run, entry)

    def _describe(self, run: Run, entry: AnyEntry) -> None:
        match entry:
            case Params():
                self._params(run, entry.values)
            case Tags():
                self._tags(run.info.run_id, entry.values)
            case Note():
                self._note(run, entry.tag, entry.facts)
            case _:
                raise TypeError(f"{entry.kind} entries are not sent by `apply`")

    def points(self, entries: list[Metrics], marks: Marks) -> None:
        """Send the points of `entries` that the run lacks; `marks` remember them."""
        from mlflow.entities import Metric

        run = self.open(entries[0])
        self._learn_evaluations(run, {key for entry in entries for key in entry.values}, marks)
        points = [
            Metric(key, value, entry.time_ms, entry.step)
            for entry in entries
            for key, value in marks.lacking(entry.step, entry.values).items()
        ]
        for batch in batches(points, METRICS_PER_BATCH, lambda _: METRIC_BYTES):
            self.client.log_batch(run.info.run_id, metrics=batch, synchronous=True)

    def alive(self) -> bool:
        """True when MLflow answers and the run is there: what fails now fails because of the entry."""
        if self.run_id is None:
            return False
        try:
            return bool(self.client.get_run(self.run_id).info.lifecycle_stage == "active")
        except Exception:  # noqa: BLE001 - whatever it is, MLflow does not answer; the caller records its own failure
            return False

    def _attach(self, run: Run, marks: Marks) -> None:
        for metric in run.data.to_proto().metrics:
            # get_run gives the highest step of every key in one request; a history each would be a hundred.
            if not metric.key.startswith(EVALUATION):
                marks.add(metric.key, [metric.step])
        lacking = {key: value for key, value in self._job.tracking.tags.items() if run.data.tags.get(key) != value}
        self._tags(run.info.run_id, lacking)
        if run.info.status != "RUNNING":
            self.client.update_run(run.info.run_id, status="RUNNING")

    def _learn_evaluations(self, run: Run, keys: set[str], marks: Marks) -> None:
        for key in sorted(keys - self._learned):
            self._learned.add(key)
            if key.startswith(EVALUATION) and key in run.data.metrics:
                marks.add(key, [point.step for point in self.client.get_metric_history(run.info.run_id, key)])

    def _params(self, run: Run, values: dict[str, str]) -> None:
        from mlflow.entities import Param

        known = run.data.params
        new = [Param(key, value) for key, value in values.items() if key not in known]
        for batch in batches(new, PARAMS_PER_BATCH, lambda param: json_size((param.key, param.value))):
            self.client.log_batch(run.info.run_id, params=batch, synchronous=True)
        drift = {key: [known[key], value] for key, value in values.items() if key in known and known[key] != value}
        if drift:
            self._note(run, DRIFT_TAG, drift)

    def _tags(self, run_id: str, values: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, value) for key, value in values.items() if key != UID_TAG]
        for batch in batches(tags, PARAMS_PER_BATCH, lambda tag: json_size((tag.key, tag.value))):
            self.client.log_batch(run_id, tags=batch, synchronous=True)

    def _note(self, run: Run, tag: str, facts: dict[str, str] | dict[str, list[str]]) -> None:
        current = run.data.tags.get(tag)
        merged = merged_note(current, facts)
        if merged != current:
            self.client.set_tag(run.info.run_id, tag, merged)

    def _table(self, run: Run, entry: TableArtifact) -> None:
        """As `log_table` keeps one, except that a table that is there is replaced: it would be appended to."""
        rows = [list(row) for row in zip(*entry.columns.values(), strict=True)]
        content = {"columns": list(entry.columns), "data": rows}
        self.client.log_text(run.info.run_id, json.dumps(content, ensure_ascii=False), entry.name)
        known = json.loads(run.data.tags.get(TABLES_TAG, "[]"))
        if (mark := {"path": entry.name, "type": "table"}) not in known:
            self.client.set_tag(run.info.run_id, TABLES_TAG, json.dumps([*known, mark]))

    def _file(self, run_id: str, path: Path, name: str) -> None:
        inside = PurePosixPath(name)
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / inside.name
            try:
                shutil.copyfile(path, copy)
            except OSError as error:
                raise RefusedError(f"artifact {name}: {path} cannot be read ({error.strerror})") from error
            self.client.log_artifact(run_id, str(copy), str(inside.parent) if inside.parent.name else None)
