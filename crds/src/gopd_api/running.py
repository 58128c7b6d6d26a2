"""Where and how a job runs: compute, scheduling, storage, tracking, lifecycle and sweeps.

They do not say what is learned: see `training`. Fields that only a cluster has are ignored by `gopd run`, which says
so.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gopd_api.base import FORMS, LIST_SET, Model, Name, Path, Rule, Text, list_by, repeated, unless
from gopd_api.training import RewardScale

LABEL_FORM = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
FORMS[LABEL_FORM] = ("a label value", 'use letters, digits, "-", "_" and ".", with a letter or digit first and last')
LabelValue = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_FORM)]


QUANTITY_FORM = r"^[0-9]{1,9}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
FORMS[QUANTITY_FORM] = ("a quantity of Kubernetes", "write a number with or without a unit: 8, 500m, 64Gi")
Quantity = Annotated[str, Field(min_length=1, max_length=16, pattern=QUANTITY_FORM)]


class Toleration(Model):
    """A toleration, as pods have it."""

    key: Text | None = None
    """Key of the taint. Without it: every key, with `operator: Exists`."""
    operator: Literal["Exists", "Equal"] | None = None
    """How the value is compared; Kubernetes takes Equal without it."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Without it: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=31536000)] | None = None
    """Seconds that a NoExecute taint is borne. Without it: for ever."""


class PodPatch(Model):
    """A change of the pods of one role, in the pod's own words."""

    name: Literal["head", "trainer", "evaluation", "inspection"]
    """Whose pods are changed: of a training, the head or the other nodes; all that measure; the look at the inputs."""
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] = {}
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = []
    """Taints that the pods bear."""
    env_from_secrets: Annotated[list[Text], Field(max_length=8)] = []
    """Secrets whose keys become environment variables: credentials only."""
    image_pull_secrets: Annotated[list[Text], Field(max_length=8)] = []
    """Secrets to fetch images with."""
    cpu: Quantity | None = None
    """Processor cores that a pod asks for, as Kubernetes writes them: `8`, `500m`. Without it: the installation's."""
    memory: Quantity | None = None
    """Memory that a pod asks for and is limited to: `64Gi`. Without it: the installation's, and no limit."""
    priority_class_name: Name | None = None
    """PriorityClass of the pods. Kueue's is `scheduling.priority`."""


class Compute(Model):
    """Machines of a job."""

    accelerator: Literal["gpu", "cpu"] = "gpu"
    """`gpu`: vLLM and FSDP2 on NVIDIA GPUs; `cpu`: transformers and FSDP2 over gloo, for small models."""
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    """Machines. With several, the models that score must fill whole machines."""
    gpus_per_node: Annotated[int, Field(ge=1, le=16)] = 8
    """GPUs of a node, trainer and teachers together. With `cpu`: not used."""
    gpu_memory_gib: Annotated[int, Field(alias="gpuMemoryGiB", ge=1, le=1024)] = 80
    """Memory of one GPU in GiB, which the plan measures what is needed against. With `cpu`: not used."""
    cpu_threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """Threads that a model may compute with on a CPU. Without it: the cores there are."""
    image: Text | None = None
    """Container image of the trainer; the operator's own default without it."""
    pod_patches: Annotated[list[PodPatch], Field(max_length=4, json_schema_extra=list_by("name"))] = []
    """What the pods of a role need beyond the installation's defaults."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "nodes",
            "is more than 1 with accelerator cpu, which runs on one machine",
            "set 1, or accelerator: gpu",
            breaks=unless(lambda compute: compute.accelerator == "gpu" or compute.nodes == 1),
            cel="self.accelerator == 'gpu' || self.nodes == 1",
        ),
        Rule(
            "podPatches[{index}].name",
            "is {name} again",
            "write one patch a name",
            general={"name": "the same"},
            breaks=lambda compute: [
                {"index": i, "name": f'"{name}"'} for i, name in repeated(patch.name for patch in compute.pod_patches)
            ],
            why_no_cel="the list is keyed by name in the schema",
        ),
    )


class Scheduling(Model):
    """Kueue's part. What other batch schedulers read, labels and annotations of the job, is passed on without it."""

    queue: LabelValue | None = None
    """Kueue LocalQueue: everything that books machines is created suspended, and runs when Kueue admits it."""
    priority: LabelValue | None = None
    """Kueue WorkloadPriorityClass. A PriorityClass of pods is named in `compute.podPatches`."""


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
    """Wait before the second attempt."""
    max_seconds: Annotated[int, Field(ge=1, le=86400)] = 1800
    """Longest wait."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "initialSeconds",
            "is above maxSeconds",
            "set a shorter first wait, or a longer maxSeconds",
            breaks=unless(lambda backoff: backoff.initial_seconds <= backoff.max_seconds),
            cel="self.initialSeconds <= self.maxSeconds",
        ),
    )


class Lifecycle(Model):
    """How long a job may take and what happens when it fails."""

    suspend: bool = False
    """True ends the running attempt after a checkpoint and frees its machines; false goes on."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Attempts that may fail by the job's own fault. Preemption and machine faults are not counted."""
    backoff: Backoff = Backoff()
    active_deadline_seconds: Annotated[int, Field(ge=60, le=31536000)] | None = None
    """Longest time from the first attempt to the end. A checkpoint is saved before it runs out."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31536000)] | None = None
    """Seconds after which a finished job is deleted; its files stay. Without it: never."""
    stall_after_seconds: Annotated[int, Field(ge=30, le=86400)] = 1800
    """An attempt without a heartbeat for so long is ended and tried again."""


class Sweep(Model):
    """One child job for each pair of a reward scale and a seed, and one comparison of them all."""

    reward_scale: Annotated[list[RewardScale], Field(max_length=32)] = []
    """Reward scales to try. Empty: the objective's."""
    seed: Annotated[
        list[Annotated[int, Field(ge=0, le=2147483647)]], Field(max_length=32, json_schema_extra=LIST_SET)
    ] = []
    """Seeds to try: repeats of one setting. Empty: `optimization.seed`."""
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """Children that run at the same time."""

    def size(self) -> int:
        """Jobs that the sweep makes."""
        return max(1, len(self.reward_scale)) * max(1, len(self.seed))

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "rewardScale",
            "is empty, and so is seed",
            "list what to sweep over, or remove the sweep",
            breaks=unless(lambda sweep: bool(sweep.reward_scale or sweep.seed)),
            cel="self.rewardScale.size() > 0 || self.seed.size() > 0",
        ),
        Rule(
            "rewardScale",
            "and seed make {jobs} jobs, more than the 48 that one comparison holds",
            "list fewer, or write two sweeps",
            breaks=lambda sweep: [{"jobs": sweep.size()}] if sweep.size() > 48 else [],
            cel="self.rewardScale.size() * self.seed.size() <= 48",
            general={"jobs": "too many"},
        ),
        Rule(
            "rewardScale[{index}]",
            "is {value} again",
            "list every value once",
            breaks=lambda sweep: [{"index": i, "value": value} for i, value in repeated(sweep.reward_scale)],
            # no set in the schema: the API server finds a set with the number 1 unequal to itself (seen in 1.34)
            cel="self.rewardScale.all(a, self.rewardScale.exists_one(b, a == b))",
            general={"index": "", "value": "the same"},
        ),
        Rule(
            "seed[{index}]",
            "is {value} again",
            "list every value once",
            breaks=lambda sweep: [{"index": i, "value": value} for i, value in repeated(sweep.seed)],
            general={"value": "the same"},
            why_no_cel="the list is a set in the schema",
        ),
    )
