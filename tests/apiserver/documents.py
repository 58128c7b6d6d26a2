"""Objects for the tests of the rig: the smallest RayJob and Job that are real."""

from typing import Any


def pod_template(**spec: Any) -> dict[str, Any]:
    container = {
        "name": "ray",
        "image": "example.com/trainer:1",
        "resources": {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}},
    }
    return {"spec": {"containers": [container], **spec}}


def ray_job(name: str, **spec: Any) -> dict[str, Any]:
    """A RayJob in HTTPMode with a head and two workers of two GPUs each."""
    cluster = {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"rayStartParams": {}, "template": pod_template()},
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": 2,
                "minReplicas": 2,
                "maxReplicas": 2,
                "rayStartParams": {},
                "template": pod_template(restartPolicy="Never"),
            }
        ],
    }
    wanted = {
        "submissionMode": "HTTPMode",
        "entrypoint": "python -m gopd_trainer",
        "backoffLimit": 0,
        "shutdownAfterJobFinishes": True,
        "rayClusterSpec": cluster,
    }
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name}, "spec": {**wanted, **spec}}


def indexed_job(name: str, completions: int = 2, **spec: Any) -> dict[str, Any]:
    """An Indexed Job as evaluations use them."""
    container = {"name": "main", "image": "example.com/eval:1"}
    wanted = {
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": completions,
        "backoffLimitPerIndex": 1,
        "template": {"spec": {"containers": [container], "restartPolicy": "Never"}},
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {**wanted, **spec}}
