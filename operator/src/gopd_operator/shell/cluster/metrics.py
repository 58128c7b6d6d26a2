"""The operator's own metrics. Counters are counted where things happen; numbers of objects are read when asked for.

No metric has a job's name: the number of series does not grow with the number of jobs.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter("gopd_api_requests", "Requests to the API server", ["method", "code"], registry=REGISTRY)
LOOKS = Histogram(
    "gopd_reconcile_seconds",
    "Seconds that one look at one job took",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
LOOK_ERRORS = Counter("gopd_reconcile_errors", "Looks that an error ended", ["reason"], registry=REGISTRY)
QUEUE = Gauge("gopd_queue_depth", "Jobs that wait to be looked at", registry=REGISTRY)
JOBS = Gauge("gopd_jobs", "Jobs by kind and phase", ["kind", "phase"], registry=REGISTRY)
ATTEMPTS = Counter("gopd_attempts_ended", "Attempts that ended, by failure class", ["failure"], registry=REGISTRY)
GPU_SECONDS = Counter("gopd_gpu_seconds", "GPU-seconds of attempts that ended", registry=REGISTRY)
MLFLOW = Gauge("gopd_mlflow_up", "1 when the tracking server answered last time", registry=REGISTRY)
