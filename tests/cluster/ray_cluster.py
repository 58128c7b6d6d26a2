"""The RayCluster of a RayJob with its pods, as KubeRay 1.6.2 makes them, and their statuses.

Decides names, labels, owners and counts. When a cluster comes, is ready or goes, `kuberay` decides.
"""

import copy
import secrets
from typing import Any

from tests.cluster import pods
from tests.cluster.api import PODS, RAY_CLUSTERS, Api, ApiError, Document

CLUSTER_LABEL, TYPE_LABEL = "ray.io/cluster", "ray.io/node-type"
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of which Kubernetes makes random suffixes."""


NOTHING: Document = {"desiredCPU": "0", "desiredMemory": "0", "desiredGPU": "0", "desiredTPU": "0", "head": {}}
"""What a RayJob shows of a cluster that is not there, as Go writes it."""


def suffixed(name: str) -> str:
    return f"{name}-{''.join(secrets.choice(LETTERS) for _ in range(5))}"


def owned_by(owner: Document) -> list[dict[str, Any]]:
    """An owner as its controller writes it."""
    metadata = owner["metadata"]
    return [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def create(api: Api, ray_job: Document, name: str, *, with_pods: bool) -> Document:
    """The cluster and its pods; what is there already stays."""
    namespace = ray_job["metadata"]["namespace"]
    labels = {
        **ray_job["metadata"].get("labels", {}),
        "ray.io/originated-from-cr-name": ray_job["metadata"]["name"],
        "ray.io/originated-from-crd": "RayJob",
    }
    metadata = {"name": name, "labels": labels, "ownerReferences": owned_by(ray_job)}
    wanted = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": metadata,
        "spec": ray_job["spec"]["rayClusterSpec"],
    }
    try:
        cluster = api.create(RAY_CLUSTERS, namespace, wanted)
    except ApiError as error:
        if error.status != 409:
            raise
        return api.get(RAY_CLUSTERS, namespace, name)
    if with_pods:
        create_pod(api, cluster, "head")
        for group, count in groups(cluster).items():
            for _ in range(count):
                create_pod(api, cluster, "worker", group)
    return cluster


def groups(cluster: Document) -> dict[str, int]:
    """Pods of each group of workers."""
    return {
        group["groupName"]: group.get("replicas", group.get("minReplicas", 0)) * group.get("numOfHosts", 1)
        for group in cluster["spec"].get("workerGroupSpecs") or []
    }


def create_pod(api: Api, cluster: Document, role: str, group: str = "headgroup") -> Document:
    """One pod of the cluster, `head` or `worker`."""
    spec = cluster["spec"]
    part = spec["headGroupSpec"]
    if role == "worker":
        part = next(one for one in spec["workerGroupSpecs"] if one["groupName"] == group)
    name, template = cluster["metadata"]["name"], part["template"]
    own = {
        "ray.io/is-ray-node": "yes",
        CLUSTER_LABEL: name,
        TYPE_LABEL: role,
        "ray.io/group": group,
        "ray.io/identifier": f"{name}-{role}"[:63],
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }
    given = template.get("metadata", {})
    prefix = f"{name}-{role}"[:50] if role == "head" else f"{name}-{group}"[:43] + "-worker"
    metadata = {
        "name": suffixed(prefix),
        "labels": {**given.get("labels", {}), **own},
        "annotations": given.get("annotations", {}),
        "ownerReferences": owned_by({**cluster, "apiVersion": "ray.io/v1", "kind": "RayCluster"}),
    }
    return api.create(
        PODS, cluster["metadata"]["namespace"], {"metadata": metadata, "spec": copy.deepcopy(template["spec"])}
    )


def pods_of(api: Api, namespace: str, cluster: str, role: str = "") -> list[Document]:
    """The cluster's pods that are not going, `head` or `worker` or all."""
    labels = f"{CLUSTER_LABEL}={cluster}" + (f",{TYPE_LABEL}={role}" if role else "")
    return [pod for pod in api.list(PODS, namespace, labels=labels) if "deletionTimestamp" not in pod["metadata"]]


def status(cluster: Document, *, ready: bool) -> Document:
    """A RayCluster's status before and after all its pods are ready; also what a RayJob shows of it."""
    workers = sum(groups(cluster).values())
    parts = [(cluster["spec"]["headGroupSpec"], 1)]
    parts += [(one, groups(cluster)[one["groupName"]]) for one in cluster["spec"].get("workerGroupSpecs") or []]
    gpus = sum(count * _gpus(part["template"]) for part, count in parts)
    time, state = pods.now(), "ready" if ready else ""
    words = {
        "HeadPodReady": (ready, "HeadPodRunningAndReady" if ready else "ContainersNotReady"),
        "RayClusterProvisioned": (ready, "AllPodRunningAndReadyFirstTime" if ready else "RayClusterPodsProvisioning"),
        "RayClusterSuspended": (False, "RayClusterSuspended"),
        "RayClusterSuspending": (False, "RayClusterSuspending"),
    }
    found: Document = {
        "desiredCPU": "0",
        "desiredMemory": "0",
        "desiredGPU": str(gpus),
        "desiredTPU": "0",
        "head": {"podName": "", "serviceName": f"{cluster['metadata']['name']}-head-svc"},
        "lastUpdateTime": time,
        "desiredWorkerReplicas": workers,
        "minWorkerReplicas": workers,
        "maxWorkerReplicas": workers,
        "conditions": [
            {"type": name, "status": str(value), "reason": reason, "message": "", "lastTransitionTime": time}
            for name, (value, reason) in words.items()
        ],
        "observedGeneration": cluster["metadata"].get("generation", 1),
    }
    if ready:
        found |= {
            "state": state,
            "stateTransitionTimes": {state: time},
            "readyWorkerReplicas": workers,
            "availableWorkerReplicas": workers,
        }
    return found


def delete(api: Api, namespace: str, name: str) -> None:
    """The cluster and its pods, at once; the garbage collector would come to the pods a little later."""
    api.delete(RAY_CLUSTERS, namespace, name)
    for pod in pods_of(api, namespace, name):
        pods.vanish(api, pod)


def write_status(api: Api, cluster: Document, new: Document) -> None:
    """Write a cluster's status, unless the cluster is gone."""
    metadata = cluster["metadata"]
    try:
        api.merge(RAY_CLUSTERS, metadata["namespace"], metadata["name"], {"status": new}, "status")
    except ApiError as error:
        if error.status != 404:
            raise


def _gpus(template: Document) -> int:
    resources = template["spec"]["containers"][0].get("resources", {})
    return int(str(resources.get("limits", {}).get("nvidia.com/gpu", 0)))
