"""The operator's settings: what the installation decides for every job. Read from one YAML file, checked here.

Types and defaults only. How the file comes to the operator (a ConfigMap of the Helm chart) is not its business; secrets
never stand in it.
"""

from typing import Annotated

from pydantic import Field

from gopd_api.base import Model, Path, Text
from gopd_api.running import Quantity

Namespace = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Seconds = Annotated[int, Field(ge=1, le=86400)]
Deadline = Annotated[int, Field(ge=60, le=31536000)]


class Images(Model):
    """Container images of the pods that jobs are made of."""

    trainer: Text = "gopd-trainer:0.1.0"
    """For RayJobs; `compute.image` of a job goes first."""
    evaluation: Text = "gopd-eval:0.1.0"
    grading: Text | None = None
    """For the pods that grade: the evaluation image's target without an engine. None: the evaluation image."""
    operator: Text = "gopd-operator:0.1.0"
    """For the pod that inspects a job's inputs before a GPU is booked."""
    pull_policy: Annotated[str, Field(pattern=r"^(Always|IfNotPresent|Never)$")] = "IfNotPresent"
    pull_secrets: Annotated[list[Text], Field(max_length=8)] = []


class Patience(Model):
    """How long the operator waits before it acts, in seconds."""

    image_seconds: Seconds = 300
    """A pod whose image cannot be pulled, or that its node cannot start otherwise, ends the attempt after so long."""
    report_seconds: Seconds = 60
    """A training that Ray calls ended and that has left no report is a failure after so long."""
    start_seconds: Seconds = 1800
    """A training that runs without any sign of life yet is a stall after so long."""
    stall_seconds: Seconds = 60
    """A training ends by itself when it stalls; one that could not is ended from outside so long after that."""
    drawing_seconds: Seconds = 3600
    """A pod that draws answers ends itself after so long without a sign of life; loading models, after four times that.

    Like one that reaches the deadline below, it is tried again twice."""
    evaluation_seconds: Deadline = 86400
    """A pod that inspects, draws, grades or compares is ended when it has had its node for so long."""


class Asked(Model):
    """What a pod asks for. None: nothing."""

    cpu: Quantity | None = None
    memory: Quantity | None = None


class Requests(Model):
    """What pods ask for where a job's `compute.podPatches` do not say; nothing is limited by it.

    Enough for small models and to be placed, counted and not evicted first; what large ones need, their jobs know.
    """

    head: Asked = Asked(cpu="2", memory="8Gi")
    trainer: Asked = Asked(cpu="2", memory="8Gi")
    """The other nodes of a training."""
    evaluation: Asked = Asked(cpu="1", memory="4Gi")
    """Drawing answers, and comparing."""
    grading: Asked = Asked(cpu="500m", memory="1Gi")
    inspection: Asked = Asked(cpu="100m", memory="256Mi")


class OperatorSettings(Model):
    """Everything that an installation sets."""

    namespaces: Annotated[list[Namespace], Field(max_length=256)] = []
    """Namespaces that are served. Empty: all of them."""
    images: Images = Images()
    ray_version: Text = "2.60.0"
    """The Ray of the trainer image, as KubeRay wants to be told."""
    storage_claim: Text | None = None
    """PersistentVolumeClaim of jobs that name none in `storage.claim`."""
    tracking_uri: Text | None = None
    """MLflow of jobs that name none in `tracking.uri`."""
    tracking_secret: Text | None = None
    """Secret with MLFLOW_TRACKING_USERNAME and the like, in each job's namespace."""
    inspect: bool = True
    """Look at a job's models and data with a small pod before anything is booked."""
    evaluations_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Evaluations of one job that run side by side."""
    patience: Patience = Patience()
    requests: Requests = Requests()
    workers: Annotated[int, Field(ge=1, le=64)] = 32
    """Jobs that are worked on at the same time."""
    requests_at_once: Annotated[int, Field(ge=1, le=256)] = 32
    """Requests to the API server at the same time."""
    resync_seconds: Annotated[int, Field(ge=5, le=86400)] = 300
    """Every object is read again after so long, whatever the watches said."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics. 0: one that is free."""
    runtime_class: Text | None = None
    """RuntimeClass of the pods that grade (for example gVisor's)."""
    mount_root: Path = "/gopd-settings"
    """Folder in pods that requests are mounted at."""
