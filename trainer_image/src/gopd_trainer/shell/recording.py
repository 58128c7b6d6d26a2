"""What of a request is recorded in MLflow: parameters, nested and camelCase, and tags to search runs by.

Pure: the tracker sends them. Paths and the attempt are left out, because they are not what was learned.
"""

from typing import Any

from gopd_api.requests import TrainRequest

RECORDED = {
    "student",
    "teachers",
    "importance",
    "aggregation",
    "estimator",
    "data",
    "sampling",
    "optimization",
    "checkpoints",
    "accelerator",
    "overrides",
}


def parameters(request: TrainRequest) -> dict[str, Any]:
    """The request's settings, camelCase and nested; teachers by their names."""
    settings = request.model_dump(mode="json", by_alias=True, exclude_none=True, include=RECORDED)
    settings["teachers"] = {teacher["name"]: teacher for teacher in settings["teachers"]}
    return settings


def tags(request: TrainRequest, digest: str) -> dict[str, str]:
    """Tags of the run: what it is of, and by which request."""
    scales = sorted({teacher.reward_scale for teacher in request.teachers})
    return {
        **request.tracking.tags,
        "gopd.job.name": request.job.name,
        "gopd.job.namespace": request.job.namespace,
        "gopd.attempt": str(request.attempt),
        "gopd.requestDigest": digest,
        "gopd.rewardScale": ",".join(f"{scale:g}" for scale in scales),
        "gopd.student": request.student.model,
        "gopd.teachers": ",".join(teacher.model for teacher in request.teachers),
        "gopd.references": ",".join(sorted({teacher.reference or "-" for teacher in request.teachers})),
    }
