"""What can go wrong with a RayJob, one function an event, each ending as KubeRay ends it.

Decides statuses, reasons, messages and what happens to pods. `ray` is the KubeRay that the test plays, `name` a RayJob
that runs (after `start`) unless said otherwise. Where KubeRay 1.7 differs, the function says so.
"""

import time

from tests.cluster import pods, ray_cluster
from tests.cluster.api import RAY_CLUSTERS, Document
from tests.cluster.kuberay import KubeRay
from tests.cluster.pods import OUT_OF_MEMORY

LAST_LINES = "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n"
ACTOR_DIED = "ActorDiedError: The actor died unexpectedly before finishing this task."
NODE_DIED = "The actor died because its node has died. Node Id: 00ff"
"""First line and, further down, what Ray adds where it knows that the node went."""


def application_error(ray: KubeRay, name: str, logs: str = "ValueError: the objective is not finite") -> Document:
    """The entrypoint ended with 1."""
    return ray.end(name, "Failed", "FAILED", reason="AppFailed", message=LAST_LINES + logs)


def out_of_memory(ray: KubeRay, name: str, role: str = "worker") -> Document:
    """A container was killed for its memory and the Ray job died of it. The pod keeps saying so unless it was replaced.

    With `restartPolicy: Always` the kubelet starts the container again; otherwise KubeRay would replace the failed pod
    a moment later, which is left to `replace_pod`. A cluster without workers loses the head's container.
    """
    pod = (ray.pods(name, role) or ray.pods(name, "head"))[0]
    if pod["spec"].get("restartPolicy", "Always") == "Always":
        pods.set_restarted(ray.api, pod, OUT_OF_MEMORY)
    else:
        pods.set_ended(ray.api, pod, OUT_OF_MEMORY)
    logs = "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory."
    return ray.end(name, "Failed", "FAILED", reason="AppFailed", message=LAST_LINES + logs)


def head_lost(ray: KubeRay, name: str, *, resubmitted: bool = True) -> Document:
    """The head's pod is gone and another one comes. KubeRay submits the job again; nothing ends.

    Without `resubmitted` the job stays as it is, Running, as long as the dashboard does not answer.
    """
    replace_pod(ray, ray.pods(name, "head")[0])
    if not resubmitted:
        return ray.get(name)
    for pod in ray.pods(name, "head"):
        pods.set_running(ray.api, pod)
    ray.run(name, "PENDING")
    return ray.run(name)


def worker_lost(ray: KubeRay, name: str, *, evicted: bool = True) -> Document:
    """A worker's node went: KubeRay replaces the pod, and the Ray job dies since its actor is gone."""
    workers = ray.pods(name, "worker") or ray.pods(name, "head")
    if evicted:
        pods.set_evicted(ray.api, workers[0])
    replace_pod(ray, workers[0])
    logs = f"ray.exceptions.{ACTOR_DIED}\n{NODE_DIED}"
    return ray.end(name, "Failed", "FAILED", reason="AppFailed", message=LAST_LINES + logs)


def worker_replaced(ray: KubeRay, name: str) -> Document:
    """A worker's pod is gone before anybody could see why."""
    return worker_lost(ray, name, evicted=False)


def dashboard_unreachable(ray: KubeRay, name: str, *, gives_up: bool = True) -> Document:
    """The dashboard does not answer. 1.6.2 waits for ever (`gives_up=False`: no write); 1.7 ends it after 300 s."""
    if not gives_up:
        return ray.get(name)
    words = "The RayJob has failed to get the job status from the Ray dashboard within the timeout of 300 seconds."
    return ray.end(name, "Failed", "", reason="JobStatusCheckTimeoutExceeded", message=words)


def pods_preempted(ray: KubeRay, name: str) -> Document:
    """The scheduler took a worker's place for a more important pod; the Ray job dies of it."""
    worker = (ray.pods(name, "worker") or ray.pods(name, "head"))[0]
    pods.set_disrupted(ray.api, worker, "PreemptionByScheduler")
    time.sleep(0.2)  # long enough to be seen, as the real grace period is
    replace_pod(ray, worker)
    logs = f"ray.exceptions.{ACTOR_DIED}\n{NODE_DIED}"
    return ray.end(name, "Failed", "FAILED", reason="AppFailed", message=LAST_LINES + logs)


def stopped(ray: KubeRay, name: str) -> Document:
    """Somebody stopped the Ray job: KubeRay calls that Complete."""
    return ray.end(name, "Complete", "STOPPED", message="Job was intentionally stopped.")


def validation_failed(ray: KubeRay, name: str, message: str = "") -> Document:
    """KubeRay refuses a new RayJob. Not one of its terminal states, and it writes no time."""
    words = message or f"{name}: spec.rayClusterSpec.headGroupSpec: the first container must be the Ray container"

    def change(status: Document) -> None:
        status |= {"jobDeploymentStatus": "ValidationFailed", "reason": "ValidationFailed", "message": words}

    return ray.write(name, change)


def image_cannot_be_pulled(ray: KubeRay, name: str, message: str = "") -> Document:
    """Of a new RayJob: the cluster comes, its pods wait for their image, the job stays Initializing."""
    found = ray.initialize(name)
    for pod in ray.pods(name):
        pods.set_image_not_pulled(ray.api, pod, message)
    return found


def never_scheduled(ray: KubeRay, name: str) -> Document:
    """Of a new RayJob: no node has the GPUs; the job stays Initializing."""
    found = ray.initialize(name)
    for pod in ray.pods(name):
        pods.set_unschedulable(ray.api, pod)
    return found


def deadline_exceeded(ray: KubeRay, name: str) -> Document:
    """`activeDeadlineSeconds` passed. The Ray job's own status stays as it was last seen."""
    found = ray.get(name)
    started, seconds = found["status"]["startTime"], found["spec"].get("activeDeadlineSeconds", 0)
    words = f"The RayJob has passed the activeDeadlineSeconds. StartTime: {started}. ActiveDeadlineSeconds: {seconds}"
    return ray.end(name, "Failed", "", reason="DeadlineExceeded", message=words)


def start_deadline_exceeded(ray: KubeRay, name: str) -> Document:
    """`preRunningDeadlineSeconds` passed before the job ran (after `initialize`)."""
    found = ray.get(name)
    started, seconds = found["status"]["startTime"], found["spec"].get("preRunningDeadlineSeconds", 0)
    words = f"The RayJob has passed the preRunningDeadlineSeconds. StartTime: {started}. "
    words += f"PreRunningDeadlineSeconds: {seconds}"
    return ray.end(name, "Failed", "", reason="PreRunningDeadlineExceeded", message=words)


def replace_pod(ray: KubeRay, pod: Document) -> Document:
    """Delete a pod of a cluster and make another, as KubeRay does with one that ended."""
    labels = pod["metadata"]["labels"]
    cluster = ray.api.get(RAY_CLUSTERS, ray.namespace, labels[ray_cluster.CLUSTER_LABEL])
    pods.vanish(ray.api, pod)
    return ray_cluster.create_pod(ray.api, cluster, labels[ray_cluster.TYPE_LABEL], labels["ray.io/group"])
