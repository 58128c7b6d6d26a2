"""Names and labels of the objects that a job is made of: pure functions of the job's name and what the object is for.

RayJob names may have 47 characters, names of indexed Jobs 61: a job's own name has at most 40. Labels carry what the
operator needs to find an object's job and purpose again; nothing is parsed from names.
"""

from dataclasses import dataclass
from typing import Literal

from gopd_operator.core.plan import StepKind

DOMAIN = "gopd.io"
MANAGED = f"{DOMAIN}/managed"
KIND = f"{DOMAIN}/kind"
JOB = f"{DOMAIN}/job"
ATTEMPT = f"{DOMAIN}/attempt"
STEP = f"{DOMAIN}/step"
PART = f"{DOMAIN}/part"
SWEEP = f"{DOMAIN}/sweep"
DIGEST = f"{DOMAIN}/digest"
"""Annotation: the digest of the request that an object carries out."""

Kind = Literal["DistillationJob", "EvalJob"]
Part = Literal["inspect", "generate", "grade", "compare"]
SHORT: dict[Part, str] = {"generate": "gen", "grade": "grade", "compare": "cmp", "inspect": "inspect"}


@dataclass(frozen=True, order=True)
class Key:
    """Which object: what the operator's queue holds."""

    kind: Kind
    namespace: str
    name: str


def attempt_name(job: str, number: int) -> str:
    """The RayJob of attempt `number`."""
    return f"{job}-a{number}"


def step_part_name(key: Key, step: str, part: Part) -> str:
    """The Job that does one part of a step: `<job>-step-50-gen`, `<job>-start-grade`; an EvalJob's `<job>-ej-...`."""
    return f"{_stem(key)}-{step.removeprefix('evaluate-')}-{SHORT[part]}"


def inspect_name(key: Key) -> str:
    """The Job that looks at the inputs."""
    return f"{_stem(key)}-inspect"


def _stem(key: Key) -> str:
    """A DistillationJob and an EvalJob may have the same name; their Jobs may not."""
    return key.name if key.kind == "DistillationJob" else f"{key.name}-ej"


def request_name(job: str, purpose: str, digest: str) -> str:
    """The ConfigMap that holds a request: named by what it holds, so that another request is another object."""
    return f"{job}-{purpose}-{digest.removeprefix('sha256:')[:10]}"


def access_name(job: str, uid: str) -> str:
    """Service account, role, role binding and progress of a job's training: its own, also after a job of that name."""
    return f"{job}-train-{uid[:8]}"


def labels(key: Key, **more: str) -> dict[str, str]:
    """The labels of an object that belongs to `key`'s job; `more` by short name: attempt, step, part."""
    named = {f"{DOMAIN}/{name}": value for name, value in more.items()}
    return {
        MANAGED: "true",
        KIND: key.kind,
        JOB: key.name,
        "app.kubernetes.io/managed-by": "gopd-operator",
        **named,
    }


def owner_key(metadata: dict[str, object]) -> Key | None:
    """The job that an object with this metadata belongs to, by its labels; None for a stranger's: also where an attempt
    is no number, which the operator never writes.
    """
    found = metadata.get("labels")
    if not isinstance(found, dict) or found.get(MANAGED) != "true" or not found.get(ATTEMPT, "0").isdecimal():
        return None
    kind, name, namespace = found.get(KIND), found.get(JOB), metadata.get("namespace")
    if kind not in ("DistillationJob", "EvalJob") or not isinstance(name, str) or not isinstance(namespace, str):
        return None
    return Key("EvalJob" if kind == "EvalJob" else "DistillationJob", namespace, name)


def parts_of(kind: StepKind) -> tuple[Part, ...]:
    """The Jobs of a step, one after the other."""
    return ("generate", "grade") if kind == "evaluate" else ("compare",)
