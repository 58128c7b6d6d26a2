"""Cases for comparing the API server with `gopd validate`: a plain job, a plain evaluation, and changes of them.

Each case is a kind and what is changed: a dotted path and its new value, or REMOVED. Nothing is judged here.
"""

import copy
from typing import Any

from gopd_api.benchmarks import IN_STORE

REMOVED = object()
Change = dict[str, Any]

PLAIN: dict[str, dict[str, Any]] = {
    "DistillationJob": {
        "student": {"model": "models/student"},
        "teachers": [{"name": "math", "model": "models/math-teacher"}],
        "data": {"train": "data/train.jsonl"},
        "optimization": {"steps": 10, "batchSize": 420},  # whatever the scoring models leave of 8 GPUs divides it
        "evaluation": {"tasks": [{"benchmark": "math", "data": "data/aime.jsonl"}]},
    },
    "EvalJob": {
        "subjects": [
            {"name": "start", "model": "models/student"},
            {"name": "end", "distillationJob": {"name": "exopd"}},
        ],
        "tasks": [{"benchmark": "math", "data": "data/aime.jsonl"}],
    },
}
REVISION = "0123456789abcdef0123456789abcdef01234567"
SECOND = {"name": "code", "model": "models/code-teacher", "domains": ["code"]}
TWO_TEACHERS = [{"name": "math", "model": "models/math-teacher", "domains": ["math"]}, SECOND]

ACCEPTED: dict[str, tuple[str, Change]] = {
    "plain": ("DistillationJob", {}),
    "plain evaluation": ("EvalJob", {}),
    "hub model with revision": ("DistillationJob", {"student.model": f"hf://Qwen/Qwen3-4B@{REVISION}"}),
    "reward scale zero": ("DistillationJob", {"objective": {"rewardScale": 0}}),
    "reward scale two": ("DistillationJob", {"objective": {"rewardScale": 2.0}}),
    "whole reward scale": ("DistillationJob", {"objective": {"rewardScale": 1}}),
    "reference of its own": ("DistillationJob", {"objective": {"reference": "models/base"}}),
    "two teachers with domains": ("DistillationJob", {"teachers": TWO_TEACHERS}),
    "epochs in place of steps": ("DistillationJob", {"optimization": {"epochs": 2, "batchSize": 420}}),
    "several answers a prompt": ("DistillationJob", {"sampling": {"samplesPerPrompt": 8}}),
    "teacher on two GPUs": ("DistillationJob", {"teachers.0.tensorParallel": 2}),
    "processors": ("DistillationJob", {"compute": {"accelerator": "cpu", "cpuThreads": 2}}),
    "parquet": ("DistillationJob", {"data": {"train": "data/train.parquet", "format": "parquet"}}),
    "sweep of both": ("DistillationJob", {"sweep": {"rewardScale": [1.0, 1.25], "seed": [1, 2, 3], "maxParallel": 2}}),
    "queue and priority": ("DistillationJob", {"scheduling": {"queue": "gpu", "priority": "research"}}),
    "suspended from the start": ("DistillationJob", {"lifecycle": {"suspend": True}}),
    "kept for a day": ("DistillationJob", {"lifecycle": {"ttlSecondsAfterFinished": 86400, "maxAttempts": 5}}),
    "own backoff": ("DistillationJob", {"lifecycle": {"backoff": {"initialSeconds": 0, "maxSeconds": 60}}}),
    "free override": ("DistillationJob", {"overrides": {"actor_rollout_ref.rollout.max_num_seqs": 64}}),
    "override as text": (
        "DistillationJob",
        {"overrides": {"actor_rollout_ref.rollout.gpu_memory_utilization": "0.5"}},
    ),
    "pod patch": (
        "DistillationJob",
        {
            "compute": {
                "podPatches": [
                    {
                        "name": "trainer",
                        "nodeSelector": {"pool": "h100"},
                        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                        "memory": "64Gi",
                    }
                ]
            }
        },
    ),
    "inspection on nodes of its own": (
        "DistillationJob",
        {"compute": {"podPatches": [{"name": "inspection", "cpu": "1", "priorityClassName": "low"}]}},
    ),
    "no evaluation": ("DistillationJob", {"evaluation": REMOVED}),
    "longest name": ("DistillationJob", {"metadata.name": "a" * 40}),
    "thinking switched off": ("DistillationJob", {"data.enableThinking": False}),
    "best checkpoint": ("EvalJob", {"subjects.1.distillationJob.checkpoint": "best"}),
    "checkpoint of a step": ("EvalJob", {"subjects.1.distillationJob.checkpoint": "step-20"}),
    "baseline": ("EvalJob", {"baseline": "start"}),
    "greedy task": ("EvalJob", {"tasks.0.temperature": 0}),
    "many samples": ("EvalJob", {"tasks.0.samples": 1024}),
    "every known benchmark": ("EvalJob", {"tasks": [{"benchmark": name} for name in IN_STORE]}),
    "known benchmark from a file": ("EvalJob", {"tasks": [{"benchmark": "aime24", "data": "data/aime24.jsonl"}]}),
    "window of a release": (
        "EvalJob",
        {"tasks": [{"benchmark": "livecodebench", "release": "release_v6", "since": "2025-02-01"}]},
    ),
    "one day": (
        "EvalJob",
        {"tasks": [{"benchmark": "livecodebench", "since": "2025-02-01", "until": "2025-02-01"}]},
    ),
    "own records of code": ("EvalJob", {"tasks": [{"benchmark": "code", "data": "data/own.jsonl", "topP": 0.95}]}),
}

REFUSED: dict[str, tuple[str, Change]] = {
    "no spec": ("DistillationJob", {"spec": REMOVED}),
    "no student": ("DistillationJob", {"student": REMOVED}),
    "no optimization": ("DistillationJob", {"optimization": REMOVED}),
    "unknown field": ("DistillationJob", {"lambda": 1.25}),
    "unknown field below": ("DistillationJob", {"objective": {"lambdaVals": [1.25]}}),
    "empty model": ("DistillationJob", {"student.model": ""}),
    "model with a short revision": ("DistillationJob", {"student.model": "hf://Qwen/Qwen3-4B@main"}),
    "model as a number": ("DistillationJob", {"student.model": 4}),
    "name with an underscore": ("DistillationJob", {"metadata.name": "exopd_4b"}),
    "name too long": ("DistillationJob", {"metadata.name": "a" * 41}),
    "name with a digit first": ("DistillationJob", {"metadata.name": "4b"}),
    "teacher name with capitals": ("DistillationJob", {"teachers.0.name": "Math"}),
    "too many teachers": (
        "DistillationJob",
        {"teachers": [{"name": f"t{i}", "model": f"models/t{i}", "domains": [f"d{i}"]} for i in range(200)]},
    ),
    "reward scale below zero": ("DistillationJob", {"objective": {"rewardScale": -0.1}}),
    "unknown estimator": ("DistillationJob", {"objective": {"estimator": "full"}}),
    "batch of nothing": ("DistillationJob", {"optimization.batchSize": 0}),
    "batch of a half": ("DistillationJob", {"optimization.batchSize": 0.5}),
    "batch as text": ("DistillationJob", {"optimization.batchSize": "64"}),
    "steps of nothing": ("DistillationJob", {"optimization.steps": 0}),
    "seed below zero": ("DistillationJob", {"optimization.seed": -1}),
    "seed too large": ("DistillationJob", {"optimization.seed": 1 << 31}),
    "decay above one": ("DistillationJob", {"optimization.weightDecay": 1.5}),
    "answers of no token": ("DistillationJob", {"data.maxResponseTokens": 0}),
    "thinking as text": ("DistillationJob", {"data.enableThinking": "no"}),
    "too many GPUs": ("DistillationJob", {"compute": {"gpusPerNode": 17}}),
    "no node": ("DistillationJob", {"compute": {"nodes": 0}}),
    "pod patch of an unknown role": ("DistillationJob", {"compute": {"podPatches": [{"name": "sidecar"}]}}),
    "pod patch with a command": ("DistillationJob", {"compute": {"podPatches": [{"name": "head", "command": ["sh"]}]}}),
    "deadline of a second": ("DistillationJob", {"lifecycle": {"activeDeadlineSeconds": 1}}),
    "retention below zero": ("DistillationJob", {"lifecycle": {"ttlSecondsAfterFinished": -1}}),
    "no attempt": ("DistillationJob", {"lifecycle": {"maxAttempts": 0}}),
    "suspend as text": ("DistillationJob", {"lifecycle": {"suspend": "yes"}}),
    "override of a list": ("DistillationJob", {"overrides": {"trainer.logger": ["console"]}}),
    "occasion unknown": ("DistillationJob", {"evaluation.at": ["middle"]}),
    "occasion twice": ("DistillationJob", {"evaluation.at": ["end", "end"]}),
    "sweep without a child at a time": ("DistillationJob", {"sweep": {"seed": [1, 2], "maxParallel": 0}}),
    "sweep over text": ("DistillationJob", {"sweep": {"seed": ["one"]}}),
    "no subject": ("EvalJob", {"subjects": []}),
    "no task": ("EvalJob", {"tasks": []}),
    "samples of nothing": ("EvalJob", {"tasks.0.samples": 0}),
    "code without a file": ("EvalJob", {"tasks": [{"benchmark": "code"}]}),
    "release unknown": ("EvalJob", {"tasks": [{"benchmark": "livecodebench", "release": "v7"}]}),
    "since of mathematics": ("EvalJob", {"tasks.0.since": "2025-02-01"}),
    "preset unknown": ("EvalJob", {"tasks.0.preset": "lenient"}),
    "problems below zero": ("EvalJob", {"tasks.0.limit": -1}),
    "temperature too high": ("EvalJob", {"sampling": {"temperature": 2.5}}),
    "subject with capitals": ("EvalJob", {"subjects.0.name": "Start"}),
    "job name that is none": ("EvalJob", {"subjects.1.distillationJob.name": "Ex/OPD"}),
    "objective on an evaluation": ("EvalJob", {"objective": {"rewardScale": 1.25}}),
}


def changed(kind: str, change: Change) -> dict[str, Any]:
    """The object of a case."""
    document: dict[str, Any] = {
        "apiVersion": "gopd.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "case"},
        "spec": copy.deepcopy(PLAIN[kind]),
    }
    for path, value in change.items():
        root: Any = document if path.split(".")[0] in ("metadata", "spec") else document["spec"]
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in way:
            root = root[part]
        if value is REMOVED:
            del root[last]
        else:
            root[last] = copy.deepcopy(value)
    return document
