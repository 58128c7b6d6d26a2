"""Every reason that a condition, an attempt or an event can have is explained in docs/operations.md, and no other.

Reasons are found in the code: every CamelCase word that the modules which decide write down, and the reasons that the
trainer and the evaluation give in their reports.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from gopd_api.status import Phase
from gopd_operator.core.cluster.conditions import ConditionType

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
DECIDING = ROOT / "operator" / "src" / "gopd_operator" / "core" / "cluster"
MODULES = (
    "accepting",
    "conditions",
    "deciding",
    "failures",
    "measuring",
    "reporting",
    "retrying",
    "sweeping",
    "telling",
    "training",
)
WORD = re.compile(r"([A-Z][a-z0-9]+)+")
NOT_REASONS = {
    *("DistillationJob", "EvalJob", "RayJob", "Job", "Pending", "Invalid", "Normal", "Warning", "True", "False"),
    "Unknown",
    "DeadlineNear",  # the training's; it becomes DeadlineExceeded
    *("Inspection", "Evaluation"),  # put before another reason
    # types of conditions
    *("ClusterReady", "CheckpointAvailable", "EvaluationComplete", "ResumeVerified", "TrackingHealthy", "Complete"),
    # KubeRay's, Ray's and the kubelet's words, which are looked for and not written
    *("Suspending", "PreRunningDeadlineExceeded", "JobStatusCheckTimeoutExceeded"),
    *("JobDeploymentStatusTransitionGracePeriodExceeded", "ImagePullBackOff", "ErrImagePull", "InvalidImageName"),
    *("ErrImageNeverPull", "RegistryUnavailable", "NodeDiedError"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
}  # fmt: skip
"""Words of the same form that are none."""
STATES = {"Waiting", "Queued", "Provisioning", "Running", "Ending"}
"""Of a training; they are written in lower case and capitalised."""
OF_JOBS = {"BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded", "PodFailurePolicy"}
"""Of Kubernetes' own Jobs, passed on."""


def constants(tree: ast.AST) -> Iterator[str]:
    """Texts in code: not in annotations, and not docstrings, which are no single word."""
    passed = {id(inner) for node in ast.walk(tree) for part in annotations(node) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value


def annotations(node: ast.AST) -> Iterator[ast.AST]:
    hint = getattr(node, "annotation", None) or getattr(node, "returns", None)
    if hint is not None:
        yield hint
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
        yield node.value  # an alias of a Literal


def decided() -> set[str]:
    """Reasons that the operator writes."""
    found = set()
    for name in MODULES:
        found |= {text for text in constants(module(name)) if WORD.fullmatch(text)}
    return (found - NOT_REASONS) | STATES


def module(name: str) -> ast.AST:
    return ast.parse((DECIDING / f"{name}.py").read_text(encoding="utf-8"))


def trained() -> set[str]:
    """Reasons in a training's report."""
    folder = ROOT / "trainer_image" / "src" / "gopd_trainer"
    errors = ast.parse((folder / "core" / "errors.py").read_text(encoding="utf-8"))
    found = {text for text in constants(errors) if WORD.fullmatch(text)}
    supervisor = ast.parse((folder / "shell" / "supervisor.py").read_text(encoding="utf-8"))
    return (found | {text for text in constants(supervisor) if WORD.fullmatch(text)}) - NOT_REASONS


def measured() -> set[str]:
    """Reasons in an evaluation's last words: the fourth argument of its error, and what its command adds."""
    found = set()
    for path in (ROOT / "eval_image" / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "EvaluationError":
                given = [*node.args[3:], *(word.value for word in node.keywords if word.arg == "reason")]
                found |= {text for part in given for text in constants(part)}
    command = ast.parse((ROOT / "eval_image/src/gopd_eval/shell/cli.py").read_text(encoding="utf-8"))
    return found | {text for text in constants(command) if WORD.fullmatch(text)}


def documented() -> list[str]:
    """Reasons in the page's tables below `## Reasons`: every word in the first column."""
    text = PAGE.read_text(encoding="utf-8").split("\n## Reasons\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", text, flags=re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([A-Za-z]+)`", row)]


def test_every_reason_is_explained_and_no_other() -> None:
    known = decided() | trained() | measured() | OF_JOBS
    assert len(known) > 50, "reasons are no longer found in the code"
    assert known - set(documented()) == set(), "explain them in docs/operations.md, or list them in NOT_REASONS"
    assert set(documented()) - known == set(), "nothing gives these reasons any more"


def test_a_reason_is_explained_once() -> None:
    words = documented()
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_every_condition_and_phase_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    phases = set(get_args(Phase))
    assert {one for one in {*get_args(ConditionType), *phases} if f"`{one}`" not in text} == set()


def test_words_that_are_no_reasons_are_still_in_the_code() -> None:
    found = {text for name in MODULES for text in constants(module(name))}
    assert NOT_REASONS - found == set(), "these need no exception any more"
