"""The golden verl options of the examples: `python tests/trainer/golden_options.py` writes them anew."""

import json
from pathlib import Path

from gopd_api.load import load_file
from gopd_api.requests import TrainRequest
from gopd_operator.core.workflow import Surroundings, plan
from gopd_trainer.core.options import options

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests" / "golden" / "options"
SURROUNDINGS = Surroundings("/gopd", "sqlite:////gopd/mlflow.db")


def first_requests() -> dict[str, TrainRequest]:
    """The first train request of every example that trains, by the example's name."""
    found: dict[str, TrainRequest] = {}
    for example in sorted((REPOSITORY / "examples").glob("*.yaml")):
        for job in load_file(example):
            for step in plan(job, SURROUNDINGS).steps:
                if isinstance(step.request, TrainRequest):
                    found.setdefault(example.stem, step.request)
    return found


def golden_text(request: TrainRequest) -> str:
    """One `name=value` a line, in order."""
    chosen = options(request)
    return "".join(f"{name}={json.dumps(chosen[name])}\n" for name in sorted(chosen))


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, request in first_requests().items():
        (GOLDEN / f"{name}.txt").write_text(golden_text(request), encoding="utf-8")
        print(GOLDEN / f"{name}.txt")
