"""The run of a job, found again by its tag.

Creating a run is not idempotent, so it is searched first, and searched again after a creation: of several runs with one
uid (a race, a crash between creating and remembering) the oldest stays and the one made here is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gopd_api.requests import TrackingRequest
from gopd_api.run_tags import UID_TAG
from gopd_tracking.connection import UnavailableError, artifact_location, taking_turns

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT_TAG = "gopd.parent"
SWEEP_TAG = "gopd.sweep"
"""On a sweep's own run: the sweep's name."""


def experiment(client: MlflowClient, tracking: TrackingRequest) -> str:
    """The experiment's id; created when there is none. Raises UnavailableError when somebody has deleted it."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(tracking.experiment)
    if known is None:
        try:
            return str(client.create_experiment(tracking.experiment, artifact_location(tracking.uri or "")))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            known = client.get_experiment_by_name(tracking.experiment)
            if known is None:
                raise
    if known.lifecycle_stage != "active":
        raise UnavailableError(
            f"tracking.experiment: {tracking.experiment} was deleted in MLflow; restore it or name another one"
        )
    return str(known.experiment_id)


def find(client: MlflowClient, experiment_id: str, tag: str, value: str) -> list[Run]:
    """Runs with the tag that are not deleted, oldest first."""
    escaped = value.replace("'", "''")
    found = client.search_runs([experiment_id], f"tags.`{tag}` = '{escaped}'", order_by=["attributes.start_time ASC"])
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def find_or_create(client: MlflowClient, tracking: TrackingRequest, experiment_id: str, uid: str, now_ms: int) -> Run:
    """The job's run. `now_ms` is the start time of a new one."""
    with taking_turns(tracking.uri or ""):
        found = find(client, experiment_id, UID_TAG, uid)
        if found:
            return found[0]
        tags = dict(tracking.tags) | {UID_TAG: uid}
        if group := _made_by_children(client, tracking, experiment_id):
            for key, text in tags.items():
                client.set_tag(group.info.run_id, key, text)
            return client.get_run(group.info.run_id)
        if tracking.parent_run_name:
            tags["mlflow.parentRunId"] = _parent(client, experiment_id, tracking.parent_run_name, now_ms)
        return _create(client, experiment_id, UID_TAG, uid, tracking.run_name, tags, now_ms)


def _parent(client: MlflowClient, experiment_id: str, parent_name: str, now_ms: int) -> str:
    found = find(client, experiment_id, PARENT_TAG, parent_name)
    run = found[0] if found else None
    if run is None:
        run = _create(client, experiment_id, PARENT_TAG, parent_name, parent_name, {PARENT_TAG: parent_name}, now_ms)
        # It groups its children and runs nothing itself: nobody would ever end it.
        client.set_terminated(run.info.run_id, "FINISHED")
    return str(run.info.run_id)


def _made_by_children(client: MlflowClient, tracking: TrackingRequest, experiment_id: str) -> Run | None:
    """The run that a sweep's children made to stand under, when the sweep itself has none yet."""
    name = tracking.tags.get(SWEEP_TAG)
    found = find(client, experiment_id, PARENT_TAG, name) if name else []
    return next((run for run in found if UID_TAG not in run.data.tags), None)


def _create(
    client: MlflowClient, experiment_id: str, tag: str, value: str, run_name: str, tags: dict[str, str], now_ms: int
) -> Run:
    from gopd_tracking.values import TAG_LIMIT

    made = client.create_run(
        experiment_id, start_time=now_ms, run_name=run_name, tags={key: text[:TAG_LIMIT] for key, text in tags.items()}
    )
    oldest = find(client, experiment_id, tag, value)[0]
    if oldest.info.run_id != made.info.run_id:
        client.delete_run(made.info.run_id)
    return oldest
