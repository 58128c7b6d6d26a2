"""What of a request is recorded in MLflow: parameters, flat and camelCase, and tags to search runs by.

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


def parameters(request: TrainRequest) -> dict[str, str]:
    """The request's settings by dotted name."""
    return flat(request.model_dump(mode="json", by_alias=True, exclude_none=True, include=RECORDED))


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested mappings and lists as one mapping with dotted names."""
    if isinstance(value, dict):
        pairs = [(f"{prefix}.{key}" if prefix else str(key), one) for key, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        pairs = [(f"{prefix}[{index}]", one) for index, one in enumerate(value)]
    else:
        return {prefix: str(value)}
    return {name: text for key, one in pairs for name, text in flat(one, key).items()}


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
