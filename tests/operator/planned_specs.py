"""Specs and model facts that the tests of the memory plan share."""

import json
from typing import Any

from gopd_api.load import load_text
from gopd_api.objects import DistillationJob, DistillationJobSpec
from gopd_operator.core.known_models import KNOWN_CONFIGS
from gopd_operator.core.memory_plan import MemoryRow, memory_plan
from gopd_operator.core.model_size import facts_of

QWEN_4B = facts_of(KNOWN_CONFIGS["Qwen/Qwen3-4B"])
QWEN_8B = facts_of(KNOWN_CONFIGS["Qwen/Qwen3-8B"])
QWEN_32B = facts_of(KNOWN_CONFIGS["Qwen/Qwen3-32B"])
LLAMA_70B = facts_of(KNOWN_CONFIGS["meta-llama/Llama-3.1-70B"])


def spec(student: str = "4b", teacher: str = "4b-wise", **changes: Any) -> DistillationJobSpec:
    """A job like examples/exopd.yaml; `changes` replace parts of its spec."""
    document = {
        "apiVersion": "gopd.io/v1alpha1",
        "kind": "DistillationJob",
        "metadata": {"name": "planned"},
        "spec": {
            "student": {"model": student, "masterDtype": changes.pop("masterDtype", "float32")},
            "teachers": [{"name": "wise", "model": teacher, "replicas": 2}],
            "data": {"train": "data/train.jsonl", "maxPromptTokens": 2048, "maxResponseTokens": 16384},
            "optimization": {"batchSize": 1024, "steps": 50},
        }
        | changes,
    }
    job = load_text(json.dumps(document))[0]
    assert isinstance(job, DistillationJob)
    return job.spec


FACTS = {"4b": QWEN_4B, "4b-wise": QWEN_4B, "8b": QWEN_8B, "32b": QWEN_32B, "70b": LLAMA_70B}


OPD: dict[str, Any] = {
    "objective": {"rewardScale": 1.0},
    "teachers": [{"name": "wise", "model": "70b", "replicas": 4}],
}


def row(planned: DistillationJobSpec, role: str, moment: str) -> MemoryRow:
    found = [one for one in memory_plan(planned, FACTS).rows if (one.role, one.moment.name) == (role, moment)]
    assert len(found) == 1
    return found[0]
