"""The golden plans of the examples: `python tests/operator/golden_plans.py` writes them anew, `test_workflow_plans`
compares.

A plan is kept as `gopd plan -o yaml` shows it, without the verl options (the trainer's own golden files hold those)
and, for the children of a sweep behind the first, without their requests, which differ in reward scale, seed and
paths only.
"""

from pathlib import Path
from typing import Any

import yaml

from gopd_api.load import load_file
from gopd_operator.core.workflow import Surroundings, plan
from gopd_operator.shell.plan_view import as_data

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))
GOLDEN = REPOSITORY / "tests" / "golden" / "plans"
SURROUNDINGS = Surroundings("/gopd", "sqlite:////gopd/mlflow.db")


def golden_text(example: Path) -> str:
    """The plans of an example's objects, as they are kept."""
    return yaml.safe_dump_all(
        [_kept(as_data(plan(job, SURROUNDINGS), {}, [])) for job in load_file(example)], sort_keys=False, width=120
    )


def _kept(data: dict[str, Any]) -> dict[str, Any]:
    first = next((step["name"].partition("/")[0] for step in data["steps"] if "/" in step["name"]), None)
    for step in data["steps"]:
        if "/" in step["name"] and step["name"].partition("/")[0] != first:
            step.pop("request", None)
    return {key: value for key, value in data.items() if key not in ("verlOptions", "notes")}


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for old in GOLDEN.glob("*.yaml"):
        old.unlink()
    for example in EXAMPLES:
        (GOLDEN / example.name).write_text(golden_text(example))
        print(GOLDEN / example.name)
