"""One MLflow run a job, over restarts and outages.

    tracker = Tracker.attach(request.tracking, request.job.uid, scratch / "spool")
    tracker.params({...}); tracker.metrics(step, {...}); tracker.checkpoint(step, path)
    left = tracker.close("FINISHED", timeout=30)          # entries that wait for `python -m gopd_tracking send SPOOL`

Decides: which run belongs to a job (tag `gopd.job.uid`), which points a run still lacks (one a key and step), what
happens while MLflow does not answer (everything waits in the spool), and what is refused (kept in `refused.jsonl`, and
said). Does not decide what is logged, nor how a job ended. Training never waits for MLflow and never stops because of
it.

What is where, lower modules first:

    values       names, numbers, cuts and batches as MLflow takes them (pure)
    marks        which points the run already has (pure)
    entries      what a spool holds, one type a kind
    locks        file locks that end with their process
    spool        the append-only folder: entries of every attempt, and how far they were sent
    connection   the MLflow client: environment, new sqlite databases, file locks
    runs         experiment, parent and run of a job, found again by tag
    record       what is done to the run for each kind of entry
    checkpoints  a LoggedModel for each checkpoint
    sender       from the spool to the record, in batches, each entry once
    delivery     the background thread: when to send, how healthy
    tracker      what a trainer and an evaluation call
    afterwards   what an executor does for a process that is gone

Promises. An entry is in the file (survives a SIGKILL) when a call returns, and on the disk (survives a power cut) a
moment later, when the background thread has synced it. Every entry can be sent twice without harm: a point keeps its
timestamp, and MLflow drops an equal one. Importing this package does not import mlflow; `attach` does, in the calling
thread (1-2 s): imports in two threads at once can deadlock on import locks.

Telemetry of MLflow is switched off (`MLFLOW_DISABLE_TELEMETRY`) before it is imported; `MLFLOW_HTTP_REQUEST_TIMEOUT`
and `MLFLOW_HTTP_REQUEST_MAX_RETRIES` are set where the environment does not, because waiting is this package's own.
"""

from gopd_tracking.afterwards import end_run, recorded
from gopd_tracking.entries import RunStatus
from gopd_tracking.tracker import Tracker

__all__ = ["RunStatus", "Tracker", "end_run", "recorded"]
