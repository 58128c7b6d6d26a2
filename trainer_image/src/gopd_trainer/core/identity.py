"""What two attempts must have in common for the second to go on from the first's checkpoint.

Where it runs, how often it saves, how many steps it takes and how micro-batches are cut may change; what is learned
from whom may not.
"""

import hashlib
import json

from gopd_api.requests import TrainRequest

LEARNED = {"student", "teachers", "importance", "aggregation", "estimator", "data", "sampling", "optimization"}
FREE = {"steps", "epochs", "microBatchSize", "warmupSteps"}


def identity(request: TrainRequest) -> str:
    """`sha256:` over the parts of the request that decide what is learned."""
    parts = request.model_dump(mode="json", by_alias=True, include=LEARNED)
    parts["optimization"] = {key: value for key, value in parts["optimization"].items() if key not in FREE}
    for teacher in parts["teachers"]:
        # Copies and their width change the speed only.
        del teacher["replicas"], teacher["tensorParallel"]
    return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
