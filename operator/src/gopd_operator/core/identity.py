"""Who a job is: its uid where no cluster gives one, and names that stay within the limit of a DNS label.

A local uid is a function of what the job is, so that the same command goes on with the same job and a changed spec is
another job. How a job is looked after (lifecycle, scheduling, what its plan is measured against) is not what it is: a
longer deadline goes on with the same job.
"""

import hashlib
import json
import uuid
from typing import Any

from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.requests import JobIdentity

LOCAL_JOBS = uuid.UUID("8c4f6a52-5c0e-5a7e-9b1d-6f2f0a1f7e11")
"""Namespace of the uuid5 of jobs that run without a cluster."""

NOT_IDENTITY: Any = {"lifecycle": True, "scheduling": True, "compute": {"gpu_memory_gib"}}
LONGEST_NAME = 40


def local_uid(job: DistillationJob | EvalJob) -> str:
    """uuid5 of the canonical JSON of kind, namespace, name and spec, without what is not identity."""
    spec = job.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=NOT_IDENTITY)
    content = [job.kind, job.metadata.namespace, job.metadata.name, spec]
    return str(uuid.uuid5(LOCAL_JOBS, json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)))


def identity(job: DistillationJob | EvalJob) -> JobIdentity:
    """The job's namespace, name and uid: the cluster's uid where it has one."""
    return JobIdentity(namespace=job.metadata.namespace, name=job.metadata.name, uid=job.metadata.uid or local_uid(job))


def fitting_name(text: str) -> str:
    """`text` when it fits a Name (40 characters), otherwise its start and six digits of its digest.

    `text` must be made of a Name's characters and begin with a letter.
    """
    if len(text) <= LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{text[: LONGEST_NAME - 7].rstrip('-')}-{digest}"
