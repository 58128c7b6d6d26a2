"""The Jobs that measure: inspection, generation, grading, comparison.

Each is created once under a name that says what it does, and is never changed. Generation has one pod a subject;
grading has no network to speak of, no token and no credentials; the comparison is the only one with MLflow's. A pod
that says that it failed (exit 1 or 2) is not tried again; one that was taken away, or that says that its fault may pass
(exit 4), is. None holds its node for ever.
"""

import hashlib
import json

from gopd_api.requests import EvalRequest
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
from gopd_operator.core.cluster.names import DIGEST, Part, inspect_name, request_name, step_part_name
from gopd_operator.core.plan import Step

TERMINATION = "/dev/termination-log"
GRADING_SCRATCH = "8Gi"
"""What programs of a model may write in all before their pod is taken away: a node's disk is shared."""
TRIES = 3
"""Pods of one index that may fail without saying why."""


def inspection(context: Context) -> list[Manifest]:
    """The ConfigMap and the Job of the look at models and data."""
    text = json.dumps(context.job.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"}))
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    name = request_name(context.key.name, "inspect", digest)
    command = ["gopd", "inspect", _request_path(context), "--root", context.root, "--summary", TERMINATION]
    patch = context.patch("inspection")
    held = container(
        context, "inspect", context.settings.images.operator, command, patch, context.settings.requests.inspection
    )
    for mount in held["volumeMounts"]:
        if mount["name"] == "storage":
            mount["readOnly"] = True
    return [
        request_map(context, name, text, digest),
        _job(context, inspect_name(context.key), "inspect", "inspect", digest, pod_spec(context, [held], name, patch)),
    ]


def part_objects(context: Context, step: Step, part: Part) -> list[Manifest]:
    """The ConfigMap and the Job of one part of an evaluation or a comparison."""
    request = step.request
    assert isinstance(request, EvalRequest), f"{step.name} measures nothing"
    name = request_name(context.key.name, step.own_name.removeprefix("evaluate-"), request.digest())
    job = _job(
        context,
        step_part_name(context.key, step.own_name, part),
        step.own_name,
        part,
        request.digest(),
        _pod(context, request, part, name),
        completions=len(request.subjects) if part == "generate" else 1,
    )
    return [request_map(context, name, request.to_json(), request.digest()), job]


def _pod(context: Context, request: EvalRequest, part: Part, config: str) -> Manifest:
    patch = context.patch("evaluation")
    image, usual = context.settings.images.evaluation, context.settings.requests.evaluation
    if part == "generate":
        command = [*_program(context, "generate"), "--subject", "$(JOB_COMPLETION_INDEX)"]
        held = container(context, "generate", image, command, patch, usual)
        held = with_secrets(held, list(patch.env_from_secrets))
        if request.gpus:
            gpus = {"nvidia.com/gpu": str(request.gpus)}
            held["resources"] = {**held["resources"], "limits": {**held["resources"].get("limits", {}), **gpus}}
        return pod_spec(context, [held], config, patch)
    if part == "grade":
        image, usual = context.settings.images.grading or image, context.settings.requests.grading
        held = container(context, "grade", image, _program(context, "grade"), patch, usual)
        spec = pod_spec(context, [held], config, patch)
        for volume in spec["volumes"]:
            if volume["name"] == "scratch":
                volume["emptyDir"] = {"sizeLimit": GRADING_SCRATCH}
        runtime = context.settings.runtime_class
        return {**spec, "runtimeClassName": runtime} if runtime else spec
    # A comparison has a request of its own: `generate` finds every answer in the store and draws nothing.
    gather = container(context, "gather", image, _program(context, "generate"), patch, usual)
    held = container(context, "compare", image, _program(context, "compare"), patch, usual)
    held = with_secrets(held, tracking_secrets(context))
    return {**pod_spec(context, [held], config, patch), "initContainers": [gather]}


def _program(context: Context, part: str) -> list[str]:
    program = ["python", "-m", "gopd_eval", part, "--request", _request_path(context), "--summary", TERMINATION]
    silence = ["--stall-after", str(context.settings.patience.drawing_seconds)]
    return [*program, *silence] if part == "generate" else program


def _request_path(context: Context) -> str:
    return f"{context.settings.mount_root}/{REQUEST_FILE}"


def _job(
    context: Context, name: str, step: str, part: Part, digest: str, pod: Manifest, completions: int = 1
) -> Manifest:
    booked = part != "inspect"
    meta = {**metadata(context, name, step=step, part=part), "annotations": {DIGEST: digest}}
    # Of the pod, not of the Job: a Job's time runs while its pods wait for a node, too.
    deadline = context.settings.patience.evaluation_seconds
    side_by_side = 1 if part != "generate" else min(completions, context.settings.evaluations_at_once)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": scheduled(context, meta) if booked else meta,
        "spec": {
            "completionMode": "Indexed",
            "completions": completions,
            "parallelism": side_by_side,
            "backoffLimitPerIndex": TRIES - 1,
            "maxFailedIndexes": 0,
            "suspend": booked and context.job.spec.scheduling.queue is not None,
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 2]}},
                ]
            },
            "template": {"metadata": {"labels": meta["labels"]}, "spec": {**pod, "activeDeadlineSeconds": deadline}},
        },
    }
