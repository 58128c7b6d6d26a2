"""One MLflow run a job, over restarts and outages."""
