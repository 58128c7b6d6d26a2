"""Tags of an MLflow run that more than one program reads: by which a run is found, and what the operator says on it."""

UID_TAG = "gopd.job.uid"
"""The job that the run belongs to."""
PHASE_TAG, DELETED = "gopd.phase", "Deleted"
"""The phase that a job ended in; this word where the job itself is gone."""
