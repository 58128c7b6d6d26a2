"""Status of pods as a kubelet writes it: running, ended, out of memory, evicted, its image not to be had.

Decides what the status looks like. When a pod gets which is the caller's business; no container ever runs.
"""

import datetime
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import PODS, Api, ApiError, Document

LAST_WORDS = 4096
"""A kubelet keeps the last 4 KiB of a termination message."""


@dataclass(frozen=True)
class Outcome:
    """How a pod's first container ends."""

    exit_code: int = 0
    message: str = ""
    reason: str = ""


OUT_OF_MEMORY = Outcome(exit_code=137, reason="OOMKilled")


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_running(api: Api, pod: Document) -> None:
    """All containers run and are ready."""
    state = {"running": {"startedAt": now()}}
    _write(
        api, pod, {"phase": "Running", "conditions": _conditions(ready=True), "containerStatuses": _each(pod, state)}
    )


def set_ended(api: Api, pod: Document, outcome: Outcome) -> None:
    """All containers ended: the first one as said, the others cleanly. The pod is Succeeded or Failed."""
    first = _terminated(outcome)
    statuses = _each(pod, {"terminated": _terminated(Outcome())})
    statuses[0]["state"] = {"terminated": first}
    phase = "Failed" if outcome.exit_code else "Succeeded"
    _write(api, pod, {"phase": phase, "conditions": _conditions(ready=False), "containerStatuses": statuses})


def set_restarted(api: Api, pod: Document, outcome: Outcome) -> None:
    """The first container ended and was started again, as with `restartPolicy: Always`."""
    statuses = _each(pod, {"running": {"startedAt": now()}})
    before = pod.get("status", {}).get("containerStatuses") or [{}]
    statuses[0] |= {
        "lastState": {"terminated": _terminated(outcome)},
        "restartCount": before[0].get("restartCount", 0) + 1,
    }
    _write(api, pod, {"phase": "Running", "conditions": _conditions(ready=True), "containerStatuses": statuses})


def set_image_not_pulled(api: Api, pod: Document, message: str = "") -> None:
    """The kubelet waits between attempts to pull the image."""
    image = pod["spec"]["containers"][0]["image"]
    words = message or f'Back-off pulling image "{image}": ErrImagePull: {image}: not found'
    state = {"waiting": {"reason": "ImagePullBackOff", "message": words}}
    _write(
        api,
        pod,
        {
            "phase": "Pending",
            "conditions": _conditions(ready=False),
            "containerStatuses": _each(pod, state, ready=False),
        },
    )


def set_unschedulable(
    api: Api, pod: Document, message: str = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
) -> None:
    """The scheduler found no node."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    _write(api, pod, {"phase": "Pending", "conditions": [condition | {"lastTransitionTime": now()}]})


def set_disrupted(api: Api, pod: Document, reason: str = "PreemptionByScheduler") -> None:
    """The pod was ended from outside: `PreemptionByScheduler`, `EvictionByEvictionAPI`, and others."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": now()}
    statuses = _each(pod, {"terminated": _terminated(Outcome(143, reason="Error"))}, ready=False)
    conditions = [*_conditions(ready=False), condition]
    _write(api, pod, {"phase": "Failed", "conditions": conditions, "containerStatuses": statuses})


def set_evicted(api: Api, pod: Document, message: str = "The node was low on resource: memory.") -> None:
    """The kubelet evicted the pod for want of a resource."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
    status = {"phase": "Failed", "reason": "Evicted", "message": message}
    _write(api, pod, status | {"conditions": [*_conditions(ready=False), condition | {"lastTransitionTime": now()}]})


def vanish(api: Api, pod: Document) -> None:
    """Delete a pod at once."""
    metadata = pod["metadata"]
    api.delete(PODS, metadata["namespace"], metadata["name"], gracePeriodSeconds=0)


def _write(api: Api, pod: Document, status: Document) -> None:
    metadata = pod["metadata"]
    started = pod.get("status", {}).get("startTime") or now()
    try:
        api.merge(PODS, metadata["namespace"], metadata["name"], {"status": {"startTime": started, **status}}, "status")
    except ApiError as error:
        # Its owner may have deleted it meanwhile, as it may with a real kubelet.
        if error.status != 404:
            raise


def _each(pod: Document, state: Document, *, ready: bool | None = None) -> list[dict[str, Any]]:
    up = "running" in state if ready is None else ready
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": up,
            "started": up,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]


def _terminated(outcome: Outcome) -> dict[str, Any]:
    message = outcome.message.encode()[-LAST_WORDS:].decode(errors="ignore")
    state = {
        "exitCode": outcome.exit_code,
        "reason": outcome.reason or ("Error" if outcome.exit_code else "Completed"),
        "startedAt": now(),
        "finishedAt": now(),
    }
    return state | ({"message": message} if message else {})


def _conditions(*, ready: bool) -> list[dict[str, Any]]:
    words = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    return [{"type": name, "status": str(value), "lastTransitionTime": now()} for name, value in words.items()]
