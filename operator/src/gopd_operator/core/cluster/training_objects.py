"""The objects of a training: who may write progress, the request, and one RayJob an attempt.

A RayJob is created once and never changed: KubeRay submits it over HTTP, neither retries nor keeps it (attempts are the
operator's), and frees its machines by itself when it has ended. `suspend` is set at creation where a queue decides.
"""

from gopd_api.effective import pools, trainer_gpus
from gopd_api.objects import DistillationJob
from gopd_api.requests import PublishTo, TrainRequest
from gopd_operator.core.cluster.manifests import (
    REQUEST_FILE,
    Context,
    Manifest,
    container,
    metadata,
    pod_spec,
    request_map,
    scheduled,
    tracking_secrets,
    with_secrets,
)
from gopd_operator.core.cluster.names import DIGEST, access_name, attempt_name, labels, request_name

SAVE_SECONDS = 120
"""A training saves and ends so long before its deadline."""
GRACE_SECONDS = 120
"""Time that a training's pods have to save in when they are ended."""
CLUSTER_KEPT_SECONDS = 45
"""How long KubeRay keeps the pods of an ended attempt: for the operator to see how they ended, also when it was just
restarted. Their machines are booked meanwhile, and the last evaluation may be waiting for them."""
SHARED_MEMORY = "64Gi"
"""Room in /dev/shm of a pod without a memory limit, which would else be all of its node's memory. Ray takes what of it
there is, at most 30% of a machine's memory; what passes between processes here are tokens and their probabilities."""
LOGICAL_CPUS = 32
"""Ray's processor slots where there is no GPU: logical, because verl books several for each process."""


def attempt_request(context: Context, request: TrainRequest, number: int, deadline: float | None) -> TrainRequest:
    """The request of attempt `number`: the plan's, with where progress goes and when to save."""
    limits = request.limits.model_copy(
        update={"save_before_unix": None if deadline is None else deadline - SAVE_SECONDS}
    )
    target = PublishTo(namespace=context.key.namespace, config_map=_access(context))
    return request.model_copy(update={"attempt": number, "limits": limits, "publish": target})


def attempt_objects(context: Context, request: TrainRequest, deadline_seconds: int | None) -> list[Manifest]:
    """What an attempt's pods need to start, in the order in which it is created; the RayJob last."""
    job, number = context.key.name, request.attempt
    name = request_name(job, f"a{number}", request.digest())
    return [
        *_account(context),
        request_map(context, name, request.to_json(), request.digest()),
        rayjob(context, number, name, request.digest(), deadline_seconds),
    ]


def _access(context: Context) -> str:
    return access_name(context.key.name, str(context.job.metadata.uid))


def _account(context: Context) -> list[Manifest]:
    """The service account of the training, and the ConfigMap that it writes."""
    name = _access(context)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(context, name, part="progress"),
            "data": {},
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(context, name),
            "automountServiceAccountToken": False,
        },
    ]


def grants(context: Context) -> list[Manifest]:
    """What lets the service account read and patch that one ConfigMap, and nothing else.

    Created once the RayJob is there: a training needs it some ten seconds after its pods have started, and to create it
    is slow. The API server reads every RoleBinding of the namespace to see that no right is given away.
    """
    name = progress = _access(context)
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": metadata(context, name),
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["configmaps"],
                    "resourceNames": [progress],
                    "verbs": ["get", "patch"],
                }
            ],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata(context, name),
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": context.key.namespace}],
        },
    ]


def rayjob(context: Context, number: int, request: str, digest: str, deadline_seconds: int | None) -> Manifest:
    """The RayJob of attempt `number`; `request` names its ConfigMap, `digest` is what its report must answer."""
    job = context.job
    assert isinstance(job, DistillationJob)
    meta = metadata(context, attempt_name(context.key.name, number), attempt=str(number))
    meta["annotations"] = {DIGEST: digest}
    deadline = {} if deadline_seconds is None else {"activeDeadlineSeconds": deadline_seconds}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": scheduled(context, meta),
        "spec": {
            "submissionMode": "HTTPMode",
            "entrypoint": f"python -m gopd_trainer --request {context.settings.mount_root}/{REQUEST_FILE}",
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": CLUSTER_KEPT_SECONDS,
            "backoffLimit": 0,
            **deadline,
            "suspend": job.spec.scheduling.queue is not None,
            "rayClusterSpec": _cluster(context, job, request, number),
        },
    }


def _cluster(context: Context, job: DistillationJob, request: str, number: int) -> Manifest:
    compute = job.spec.compute
    marks = {"metadata": {"labels": labels(context.key, attempt=str(number), part="train")}}
    head = {"rayStartParams": _start(job), "template": {**marks, "spec": _pod(context, job, request, head=True)}}
    workers = []
    if compute.nodes > 1:
        count = compute.nodes - 1
        workers.append(
            {
                "groupName": "nodes",
                "replicas": count,
                "minReplicas": count,
                "maxReplicas": count,
                "rayStartParams": {},
                "template": {**marks, "spec": _pod(context, job, request, head=False)},
            }
        )
    return {"rayVersion": context.settings.ray_version, "headGroupSpec": head, "workerGroupSpecs": workers}


def _start(job: DistillationJob) -> dict[str, str]:
    """Parameters of `ray start` on the head: without GPUs, logical places for the models."""
    if job.spec.compute.accelerator == "gpu":
        return {"dashboard-host": "0.0.0.0"}
    booked = pools(job.spec)
    places = trainer_gpus(booked) + booked.teacher_gpus_per_node * booked.teacher_nodes
    return {"dashboard-host": "0.0.0.0", "num-cpus": str(LOGICAL_CPUS), "num-gpus": str(places)}


def _pod(context: Context, job: DistillationJob, request: str, *, head: bool) -> Manifest:
    compute = job.spec.compute
    patch = context.patch("head" if head else "trainer")
    image = compute.image or context.settings.images.trainer
    usual = context.settings.requests.head if head else context.settings.requests.trainer
    held = container(context, "ray", image, [], patch, usual)
    del held["command"]  # KubeRay writes it itself
    # Ray ends what it is told to stop after 3 s, unless it is told to wait for the save.
    held["env"].append({"name": "RAY_JOB_STOP_WAIT_TIME_S", "value": str(GRACE_SECONDS - 10)})
    secrets = [*tracking_secrets(context), *patch.env_from_secrets] if head else list(patch.env_from_secrets)
    held = with_secrets(held, secrets)
    if compute.accelerator == "gpu":
        gpus = {"nvidia.com/gpu": str(compute.gpus_per_node)}
        resources = held["resources"]
        held["resources"] = {**resources, "limits": {**resources.get("limits", {}), **gpus}}
    spec = pod_spec(context, [held], request, patch, restart="Never" if not head else None)
    spec["terminationGracePeriodSeconds"] = GRACE_SECONDS
    shared = {"medium": "Memory", "sizeLimit": patch.memory or SHARED_MEMORY}
    spec["volumes"].append({"name": "shm", "emptyDir": shared})
    held["volumeMounts"].append({"name": "shm", "mountPath": "/dev/shm"})
    if head:
        # The training runs on the head: only there is the token that may write progress.
        spec |= {"serviceAccountName": _access(context), "automountServiceAccountToken": True}
    return spec
