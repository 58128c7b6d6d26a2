"""Says in MLflow how a training ended whose process died before it could say so itself.

A trainer that ends by itself closes its own run. MLflow is not on the way of anything: what cannot be recorded now is
told, and stays in the job's spool.
"""

from pathlib import Path
from typing import Literal

from gopd_api.requests import TrainRequest
from gopd_operator.core.plan import Step
from gopd_operator.shell.answers import said


def record_end(step: Step, outcome: Literal["failed", "stopped"]) -> str | None:
    """Mark the run of a dead training FAILED or KILLED; why it could not be, or None."""
    request = step.request
    if not isinstance(request, TrainRequest) or said(step) is not None or request.tracking.uri is None:
        return None
    # Imports MLflow's address handling, which a run that ends well does not need.
    from gopd_tracking import end_run

    status: Literal["FAILED", "KILLED"] = "FAILED" if outcome == "failed" else "KILLED"
    return end_run(request.tracking, request.job.uid, status, spool=Path(request.paths.spool))
