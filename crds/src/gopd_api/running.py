"""Where and how a job runs: compute, scheduling, storage, tracking, lifecycle and sweeps.

They do not say what is learned: see `training`. Fields that only a cluster has are ignored by `gopd run`, which says so.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from gopd_api.base import Model, Name, Path, Text
from gopd_api.training import RewardScale

LabelValue = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]


class PodPatch(Model):
    """A change of the pods of one role, in the pod's own words."""

    name: Literal["head", "trainer", "evaluation"]
    """Whose pods are changed."""
    node_selector: Annotated[dict[str, str], Field(max_length=32)] = {}
    tolerations: Annotated[list[dict[str, Any]], Field(max_length=16)] = []
    """`tolerations` of a pod, as Kubernetes has them."""
    env_from_secrets: Annotated[list[Text], Field(max_length=8)] = []
    """Secrets whose keys become environment variables: credentials only."""
    image_pull_secrets: Annotated[list[Text], Field(max_length=8)] = []


class Compute(Model):
    """Machines of a job."""

    accelerator: Literal["gpu", "cpu"] = "gpu"
    """`gpu`: vLLM and FSDP2 on NVIDIA GPUs; `cpu`: transformers and FSDP2 over gloo, for small models."""
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    gpus_per_node: Annotated[int, Field(ge=1, le=16)] = 8
    """GPUs of a node, trainer and teachers together. With `cpu`: not used."""
    cpu_threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """Threads that a model may compute with on a CPU. Without it: the cores there are."""
    image: Text | None = None
    """Container image of the trainer; the operator's own default without it."""
    pod_patches: Annotated[list[PodPatch], Field(max_length=3)] = []


class Scheduling(Model):
    """Passed through to the cluster's batch scheduler."""

    queue: LabelValue | None = None
    """Kueue LocalQueue (or another scheduler's queue)."""
    priority: LabelValue | None = None
    """Workload priority class."""


class Storage(Model):
    """The volume that holds models, data, checkpoints and results."""

    claim: Name | None = None
    """PersistentVolumeClaim to mount; ReadWriteMany when there is more than one node."""
    mount_path: Path = "/gopd"
    """Where it is mounted: the storage root that relative paths are below."""


class Tracking(Model):
    """Where runs are recorded."""

    uri: Text | None = None
    """MLflow tracking URI. Without it: the installation's; with `gopd run` a SQLite file in the work directory."""
    experiment: Text = "gopd"
    """MLflow experiment."""
    secret: Name | None = None
    """Secret with MLFLOW_TRACKING_USERNAME and the like."""


class Backoff(Model):
    """Wait between attempts: doubles from `initialSeconds` up to `maxSeconds`."""

    initial_seconds: Annotated[int, Field(ge=0, le=86400)] = 30
    max_seconds: Annotated[int, Field(ge=1, le=86400)] = 1800


class Lifecycle(Model):
    """How long a job may take and what happens when it fails."""

    suspend: bool = False
    """True ends the running attempt after a checkpoint and frees its machines; false goes on."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Attempts that may fail by the job's own fault. Preemption and machine faults are not counted."""
    backoff: Backoff = Backoff()
    active_deadline_seconds: Annotated[int, Field(ge=60, le=31536000)] | None = None
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31536000)] | None = None
    stall_after_seconds: Annotated[int, Field(ge=30, le=86400)] = 1800
    """An attempt without a heartbeat for so long is ended and tried again."""


class Sweep(Model):
    """One child job for each pair of a reward scale and a seed, and one comparison of them all."""

    reward_scale: Annotated[list[RewardScale], Field(max_length=32)] = []
    seed: Annotated[list[Annotated[int, Field(ge=0, le=2147483647)]], Field(max_length=32)] = []
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 1
