"""What an executor does for a process that is gone: say how it ended, and find where it was recorded."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from gopd_api.requests import TrackingRequest
from gopd_api.status import MlflowStatus
from gopd_tracking import connection
from gopd_tracking.entries import RunStatus
from gopd_tracking.spool import Spool
from gopd_tracking.tracker import Tracker


def end_run(
    tracking: TrackingRequest, uid: str, status: RunStatus, spool: Path | None = None, timeout: float = 15.0
) -> str | None:
    """Set the end state for a process that died without closing; with its `spool`, send what it left, too.

    Returns None when MLflow has it (or tracking is off), else one sentence that says why not; with a spool, it is sent
    by whoever sends that spool next.
    """
    with ExitStack() as stack:
        folder = spool or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tracker = Tracker.begin(tracking, uid, folder)
        left = tracker.close(status, timeout)
        return tracker.last_refusal or (tracker.healthy_reason if left or not tracker.healthy else None)


def recorded(spool: Path) -> MlflowStatus:
    """Where the job of this spool is recorded, read from its files alone; empty while MLflow has not answered."""
    if not (spool / "sent.json").exists():
        return MlflowStatus()
    opened = Spool(spool)
    sent, uri = opened.sent(), opened.job().tracking.uri
    if not (uri and sent.run_id and sent.experiment_id):
        return MlflowStatus()
    page = connection.page(uri, sent.experiment_id, sent.run_id)
    return MlflowStatus(experiment_id=sent.experiment_id, run_id=sent.run_id, url=page)
