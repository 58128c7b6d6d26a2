"""A LoggedModel for each checkpoint: what the Models tab of a run lists.

Weights stay where they are: the model holds their path, not a copy. One model a run and step, over restarts; a second
call adds metrics and corrects paths (an export may come after the checkpoint).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gopd_api.run_tags import UID_TAG
from gopd_tracking.entries import Checkpoint

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

STEP_TAG = "gopd.checkpoint.step"
MODEL_TYPE = "checkpoint"
_NOT_IN_MODEL_NAMES = re.compile(r"[^\w-]+")


def record(client: MlflowClient, run: Run, uid: str, checkpoint: Checkpoint) -> None:
    """Create or bring up to date the model of this checkpoint, READY and linked to the run."""
    from mlflow.entities import LoggedModelOutput

    facts = _facts(checkpoint)
    model = find(client, run, uid, checkpoint.step)
    if model is None:
        model = client.create_logged_model(
            experiment_id=run.info.experiment_id,
            name=f"{_NOT_IN_MODEL_NAMES.sub('-', run.info.run_name or 'run')}-step-{checkpoint.step}",
            source_run_id=run.info.run_id,
            tags={UID_TAG: uid, STEP_TAG: str(checkpoint.step), "mlflow.model.isExternal": "true"} | facts,
            params={"step": str(checkpoint.step)},
            model_type=MODEL_TYPE,
        )
    elif any(model.tags.get(key) != value for key, value in facts.items()):
        client.set_logged_model_tags(model.model_id, facts)
    if str(model.status) != "READY":
        client.finalize_logged_model(model.model_id, "READY")
    if all(output.model_id != model.model_id for output in run.outputs.model_outputs):
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, checkpoint.step)])
    _measure(client, run, model, checkpoint)


def find(client: MlflowClient, run: Run, uid: str, step: int) -> LoggedModel | None:
    """The model of that step, or None."""
    escaped = uid.replace("'", "''")
    found = client.search_logged_models(
        [run.info.experiment_id], f"tags.`{UID_TAG}` = '{escaped}' AND tags.`{STEP_TAG}` = '{step}'"
    )
    mine = [model for model in found if model.source_run_id == run.info.run_id]
    return min(mine, key=lambda model: (model.creation_timestamp, model.model_id)) if mine else None


def _facts(checkpoint: Checkpoint) -> dict[str, str]:
    facts = {"path": checkpoint.path, "export": checkpoint.export, "digest": checkpoint.digest}
    return {f"gopd.checkpoint.{key}": value for key, value in facts.items() if value is not None}


def _measure(client: MlflowClient, run: Run, model: LoggedModel, checkpoint: Checkpoint) -> None:
    """Give the model its metrics; the run gets the same points, but not one that it has."""
    from mlflow.entities import Metric

    had = {metric.key for metric in model.metrics or [] if metric.step == checkpoint.step}
    points = []
    for key, value in checkpoint.metrics.items():
        if key in had:
            continue
        history = client.get_metric_history(run.info.run_id, key) if key in run.data.metrics else []
        # A point of the run's own is given again as it is: equal points are one.
        same = next((point for point in history if point.step == checkpoint.step), None)
        time_ms = same.timestamp if same else checkpoint.time_ms
        points.append(
            Metric(
                key,
                same.value if same else value,
                time_ms,
                checkpoint.step,
                model_id=model.model_id,
                run_id=run.info.run_id,
            )
        )
    client.log_batch(run.info.run_id, metrics=points, synchronous=True)
