"""What a spec comes to: each teacher's reward scale and reference, the servers that score, and how GPUs are shared out.

Used by the rules of the spec, by the planner and by the trainer, so that the three cannot disagree. Pure functions;
nothing is looked up: whether a model exists or fits into memory is decided elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gopd_api.requests import Pools, ScoredTeacher
from gopd_api.training import Dtype, Teacher

if TYPE_CHECKING:
    from gopd_api.objects import DistillationJobSpec

WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def effective_reward_scale(spec: "DistillationJobSpec", teacher: Teacher) -> float:
    """The reward scale of the teacher's samples: its own, or the objective's."""
    return spec.objective.reward_scale if teacher.reward_scale is None else teacher.reward_scale


def effective_reference(spec: "DistillationJobSpec", teacher: Teacher) -> str | None:
    """The reference of the teacher's samples: its own, the objective's, or the student's start.

    None at reward scale 1, where the reference cancels and is not loaded.
    """
    if effective_reward_scale(spec, teacher) == 1:
        return None
    return declared_reference(spec, teacher)


def declared_reference(spec: "DistillationJobSpec", teacher: Teacher) -> str:
    """The reference that the teacher's samples have at any reward scale but 1."""
    return teacher.reference or spec.objective.reference or spec.student.model


def reward_scales(spec: "DistillationJobSpec", teacher: Teacher) -> list[float]:
    """Every reward scale that the teacher's samples are trained with: several in a sweep, otherwise one."""
    swept = spec.sweep.reward_scale if spec.sweep else []
    return list(swept) or [effective_reward_scale(spec, teacher)]


def scored_teachers(spec: "DistillationJobSpec") -> list[ScoredTeacher]:
    """The teachers with everything decided, in the spec's order. For a sweep, ask each child's spec instead."""
    return [_scored(spec, teacher, effective_reward_scale(spec, teacher)) for teacher in spec.teachers]


def _scored(spec: "DistillationJobSpec", teacher: Teacher, scale: float) -> ScoredTeacher:
    return ScoredTeacher(
        name=teacher.name,
        model=teacher.model,
        domains=list(teacher.domains),
        reward_scale=scale,
        reference=None if scale == 1 else declared_reference(spec, teacher),
        context=teacher.context,
        dtype="float32" if spec.compute.accelerator == "cpu" else teacher.dtype,
        tensor_parallel=teacher.tensor_parallel,
        replicas=teacher.replicas,
    )


def option_values(spec: "DistillationJobSpec") -> dict[str, str | int | float | bool]:
    """The verl options of `spec.overrides` with the types that verl's command line would give them.

    A text that reads as true, false or a number is one; a schema cannot hold all of them unquoted.
    """
    return {name: _scalar(value) for name, value in spec.overrides.items()}


def _scalar(value: str | int) -> str | int | float | bool:
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if WHOLE.fullmatch(value):
        return int(value)
    return float(value) if NUMBER.fullmatch(value) else value


@dataclass(frozen=True)
class Server:
    """A model that scores answers: `replicas` copies, each over `tensor_parallel` GPUs (on a CPU: places)."""

    role: Literal["teacher", "reference"]
    model: str
    dtype: Dtype
    tensor_parallel: int
    replicas: int
    teachers: tuple[str, ...]
    """Names of the teachers whose samples it scores: one for a teacher, one or more for a reference."""

    @property
    def name(self) -> str:
        """`<teacher>` or `<first teacher>:reference`: unique, because names of teachers hold no colon."""
        return self.teachers[0] if self.role == "teacher" else f"{self.teachers[0]}:reference"

    @property
    def gpus(self) -> int:
        """GPUs of all its copies."""
        return self.tensor_parallel * self.replicas


def servers(teachers: Sequence[ScoredTeacher]) -> list[Server]:
    """One server a teacher, and one a distinct reference and precision, as big as the biggest teacher that needs it.

    In the order in which they take their GPUs: widest replicas first, so that no replica lies across two nodes where
    the widths divide a node. A reference that is also some teacher's model has a server of its own all the same.
    """
    found = [
        Server("teacher", teacher.model, teacher.dtype, teacher.tensor_parallel, teacher.replicas, (teacher.name,))
        for teacher in teachers
    ]
    for (model, dtype), users in _users_of_references(teachers).items():
        biggest = max(users, key=lambda user: (user.tensor_parallel * user.replicas, user.tensor_parallel))
        names = tuple(user.name for user in users)
        found.append(Server("reference", model, dtype, biggest.tensor_parallel, biggest.replicas, names))
    return sorted(found, key=lambda server: -server.tensor_parallel)


def _users_of_references(teachers: Iterable[ScoredTeacher]) -> dict[tuple[str, Dtype], list[ScoredTeacher]]:
    users: dict[tuple[str, Dtype], list[ScoredTeacher]] = {}
    for teacher in teachers:
        if teacher.reference is not None:
            users.setdefault((teacher.reference, teacher.dtype), []).append(teacher)
    return users


def needed_servers(spec: "DistillationJobSpec") -> list[Server]:
    """The servers of a job; of a sweep: those of its children that need the most."""
    scales = [next((scale for scale in reward_scales(spec, t) if scale != 1), 1.0) for t in spec.teachers]
    return servers([_scored(spec, t, scale) for t, scale in zip(spec.teachers, scales, strict=True)])


def pools(spec: "DistillationJobSpec") -> Pools:
    """How the job's GPUs are shared out: on one node the trainer has what the servers leave; on several, whole nodes.

    On a CPU the pools count logical places: one for the trainer, one for each server. A spec that breaks the rules of
    `compute` gets numbers that do not work (zero or negative); the rules refuse it.
    """
    scoring = sum(server.gpus for server in needed_servers(spec))
    nodes, per_node = spec.compute.nodes, spec.compute.gpus_per_node
    if spec.compute.accelerator == "cpu":
        return Pools(trainer_gpus_per_node=1, trainer_nodes=1, teacher_gpus_per_node=scoring, teacher_nodes=1)
    if nodes == 1:
        left = per_node - scoring
        return Pools(trainer_gpus_per_node=left, trainer_nodes=1, teacher_gpus_per_node=scoring, teacher_nodes=1)
    scoring_nodes = -(-scoring // per_node)
    return Pools(
        trainer_gpus_per_node=per_node,
        trainer_nodes=nodes - scoring_nodes,
        teacher_gpus_per_node=per_node,
        teacher_nodes=scoring_nodes,
    )


def trainer_gpus(pool: Pools) -> int:
    """GPUs (on a CPU: places) that train the student."""
    return pool.trainer_gpus_per_node * pool.trainer_nodes


def replica_across_nodes(scoring: Sequence[Server], gpus_per_node: int) -> Server | None:
    """The first server with a replica that would lie on two nodes when servers take GPUs one after the other."""
    taken = 0
    for server in scoring:
        for _ in range(server.replicas):
            if taken // gpus_per_node != (taken + server.tensor_parallel - 1) // gpus_per_node:
                return server
            taken += server.tensor_parallel
    return None
