"""What every object of a job has in common: metadata, owner, pods' security, volumes, scheduling labels.

Dictionaries, built once and never changed afterwards: queues and KubeRay own what they change in them. Which objects
there are is decided in `training_objects` and `measuring_objects`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gopd_api.objects import API_VERSION, DistillationJob, EvalJob
from gopd_api.running import PodPatch
from gopd_operator.core.cluster.names import DIGEST, Key, labels
from gopd_operator.core.settings import Asked, OperatorSettings

Manifest = dict[str, Any]
REQUEST_FILE = "request.json"
SCHEDULERS = (
    "kueue.x-k8s.io/", "volcano.sh/", "scheduling.volcano.sh/", "yunikorn.apache.org/", "kai.scheduler/",
    "scheduling.k8s.io/", "ray.io/scheduler-name", "ray.io/priority-class-name", "ray.io/gang-scheduling-enabled",
)  # fmt: skip
"""Labels and annotations of a job that a batch scheduler reads: passed on to what has pods."""
USER = 1000
"""The images' user; files on the volume belong to its group."""


@dataclass(frozen=True)
class Context:
    """A job and the installation that it runs in: what manifests are made from."""

    job: DistillationJob | EvalJob
    settings: OperatorSettings

    @property
    def key(self) -> Key:
        """The job's key."""
        return Key(self.job.kind, self.job.metadata.namespace, self.job.metadata.name)

    @property
    def root(self) -> str:
        """Storage root in pods."""
        return self.job.spec.storage.mount_path

    @property
    def claim(self) -> str | None:
        """The volume claim: the job's, or the installation's."""
        return self.job.spec.storage.claim or self.settings.storage_claim

    @property
    def tracking_uri(self) -> str | None:
        """The installation's MLflow, for jobs that name none."""
        return self.settings.tracking_uri

    def patch(self, name: str) -> PodPatch:
        """The job's patch of a role's pods, empty when there is none."""
        found = [patch for patch in self.job.spec.compute.pod_patches if patch.name == name]
        return found[0] if found else PodPatch.model_validate({"name": name})


def metadata(context: Context, name: str, **marks: str) -> Manifest:
    """Name, labels and owner of an object that belongs to the job."""
    job = context.job
    owner = {
        "apiVersion": API_VERSION,
        "kind": job.kind,
        "name": job.metadata.name,
        "uid": job.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": job.metadata.namespace,
        "labels": labels(context.key, **marks),
        "ownerReferences": [owner],
    }


def scheduled(context: Context, meta: Manifest) -> Manifest:
    """The metadata with the queue, the priority and what else a batch scheduler reads."""
    scheduling, job = context.job.spec.scheduling, context.job.metadata
    named = {
        "kueue.x-k8s.io/queue-name": scheduling.queue,
        "kueue.x-k8s.io/priority-class": scheduling.priority,
    }
    more = {key: value for key, value in named.items() if value}
    found = {**meta, "labels": {**_for_schedulers(job.labels), **meta["labels"], **more}}
    annotations = {**_for_schedulers(job.annotations), **meta.get("annotations", {})}
    return {**found, "annotations": annotations} if annotations else found


def _for_schedulers(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key.startswith(SCHEDULERS)}


def request_map(context: Context, name: str, text: str, digest: str) -> Manifest:
    """The ConfigMap of a request."""
    meta = {**metadata(context, name), "annotations": {DIGEST: digest}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "immutable": True,
        "data": {REQUEST_FILE: text},
    }


def container(context: Context, name: str, image: str, command: list[str], patch: PodPatch, usual: Asked) -> Manifest:
    """A container that may do as little as it needs: it writes below /tmp and on the job's volume only.

    `usual`: what it asks for where the patch does not say.
    """
    asked = {"cpu": patch.cpu or usual.cpu, "memory": patch.memory or usual.memory}
    requests = {key: value for key, value in asked.items() if value}
    resources: Manifest = {"requests": requests} if requests else {}
    if patch.memory:
        resources["limits"] = {"memory": patch.memory}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": context.settings.images.pull_policy,
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "request", "mountPath": context.settings.mount_root, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
            *([{"name": "storage", "mountPath": context.root}] if context.claim else []),
        ],
    }


def with_secrets(held: Manifest, names: list[str]) -> Manifest:
    """The container with the keys of secrets as environment variables."""
    return {**held, "envFrom": [{"secretRef": {"name": name}} for name in names]} if names else held


def tracking_secrets(context: Context) -> list[str]:
    """The secret with MLflow's credentials, where there is one."""
    named = context.job.spec.tracking.secret or (
        context.settings.tracking_secret if context.job.spec.tracking.uri is None else None
    )
    return [named] if named else []


def pod_spec(
    context: Context,
    containers: list[Manifest],
    request: str,
    patch: PodPatch,
    restart: Literal["Never", "Always"] | None = "Never",
) -> Manifest:
    """The spec of a pod without a token: non-root, with the job's volume, the request and room to write in /tmp."""
    pull = [
        {"name": name} for name in dict.fromkeys([*context.settings.images.pull_secrets, *patch.image_pull_secrets])
    ]
    tolerations = [one.model_dump(by_alias=True, exclude_none=True) for one in patch.tolerations]
    volumes: list[Manifest] = [
        {"name": "request", "configMap": {"name": request}},
        {"name": "scratch", "emptyDir": {}},
    ]
    if context.claim:
        volumes.append({"name": "storage", "persistentVolumeClaim": {"claimName": context.claim}})
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **({"restartPolicy": restart} if restart else {}),
        **({"imagePullSecrets": pull} if pull else {}),
        **({"nodeSelector": dict(patch.node_selector)} if patch.node_selector else {}),
        **({"tolerations": tolerations} if tolerations else {}),
        **({"priorityClassName": patch.priority_class_name} if patch.priority_class_name else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            # Otherwise every pod walks through all files of the volume before it starts.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": volumes,
    }
