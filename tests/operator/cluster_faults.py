"""What may happen to an attempt on the cluster in memory, as pods, the training and KubeRay tell it."""

from typing import Any

from tests.operator.cluster_world import World


def cause(world: World, fault: str) -> None:
    """Let the fault happen to the newest attempt, which runs."""
    name = world.rayjob["metadata"]["name"]
    pods: dict[str, dict[str, Any]] = {
        "out of memory": {"terminated": "OOMKilled", "head": False},
        "head lost": {"lost": True},
        "worker lost": {"lost": True, "head": False},
        "worker lost, and the training hangs": {"lost": True, "head": False},
        "preemption": {"disrupted": True, "head": False},
        "image": {"waiting": "ImagePullBackOff"},
        "missing secret": {"waiting": "CreateContainerConfigError"},
        "missing volume": {"unprepared": True, "placed": world.now},
    }
    reports = {
        # The training lives on the head, and tells what a worker's end looks like from there.
        "out of memory": "Error",
        "worker lost": "Died",
        "worker replaced": "Error",
        "worker lost, and the training hangs": "Stalled",
        "preemption": "FailedSamples",
        "report of an error": "FailedSamples",
        "out of memory by the report": "OutOfMemory",
        "stall by the report": "Stalled",
    }
    if fault in pods:
        world.pod(name, **pods[fault])
    if fault in reports:
        words = "ActorDiedError ... The actor died because its node has died." if fault == "worker replaced" else "why"
        world.reports("failed", reports[fault], words)
    if fault in ("image", "missing secret", "missing volume"):
        world.kuberay("Initializing")
        world.now += 301
    elif fault == "stall":
        world.now += 1800 + 61
    elif fault == "deleted by somebody":
        world.objects.pop(("RayJob", name))
    elif fault == "STOPPED as Complete":
        world.kuberay("Complete", "STOPPED")
    elif fault == "dashboard unreachable":
        world.kuberay("Failed", "RUNNING", reason="JobStatusCheckTimeoutExceeded")
    elif fault == "no report":
        world.kuberay("Complete", "SUCCEEDED")
        world.now += 61
    else:
        world.kuberay("Failed", "FAILED", reason="AppFailed", message="exit code 1")
