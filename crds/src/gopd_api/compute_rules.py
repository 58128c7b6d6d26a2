"""Rules of a DistillationJob's spec that say whether it fits: GPUs, batches, where models lie, how much is measured.

They decide nothing about memory, which only the models' sizes tell.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gopd_api import effective
from gopd_api.base import Rule, Words, unless
from gopd_api.evaluation import MEASURED_CHECKPOINTS

if TYPE_CHECKING:
    from gopd_api.objects import DistillationJobSpec as Spec


def spread_on_cpu(spec: "Spec") -> Iterator[Words]:
    """Teachers spread over several GPUs, or copied, where there is no GPU."""
    if spec.compute.accelerator == "cpu":
        for index, teacher in enumerate(spec.teachers):
            for field, value in (("tensorParallel", teacher.tensor_parallel), ("replicas", teacher.replicas)):
                if value > 1:
                    yield {"index": index, "field": field, "value": value}


def scoring_pool_faults(spec: "Spec") -> Iterator[Words]:
    """Why the GPUs cannot be shared out between the student and the models that score."""
    if spec.compute.accelerator == "cpu":
        return
    servers, compute = effective.needed_servers(spec), spec.compute
    scoring = sum(server.gpus for server in servers)
    listing = ", ".join(f"{server.name} {server.gpus}" for server in servers)
    total = compute.nodes * compute.gpus_per_node
    if scoring >= total:
        remedy = f"set at least {scoring + 1} GPUs, or fewer teacher replicas"
        yield {"fault": f"leaves no GPU for the student: {total} in all, {scoring} score ({listing})", "remedy": remedy}
    elif compute.nodes > 1 and scoring % compute.gpus_per_node:
        remedy = "set replicas or tensorParallel so that they fill whole nodes"
        yield {"fault": f"does not divide the {scoring} GPUs that score ({listing})", "remedy": remedy}
    elif across := effective.replica_across_nodes(servers, compute.gpus_per_node):
        fault = f"would put a replica of {across.name} ({across.tensor_parallel} GPUs) on two nodes"
        yield {"fault": fault, "remedy": "set tensorParallel to a divisor of gpusPerNode"}


def uneven_batches(spec: "Spec") -> Iterator[Words]:
    """Batches that the GPUs which train cannot share equally."""
    if spec.compute.accelerator == "cpu" or any(scoring_pool_faults(spec)):
        return
    gpus = effective.trainer_gpus(effective.pools(spec))
    answers = spec.optimization.batch_size * spec.sampling.samples_per_prompt
    if answers % gpus:
        yield {"answers": answers, "gpus": f"{gpus} ", "multiple": gpus}


def fetched_by_one_node(spec: "Spec") -> Iterator[Words]:
    """Models that one node would fetch into itself and all nodes read."""
    if spec.compute.nodes == 1:
        return
    named = [("student.model", spec.student.model), ("objective.reference", spec.objective.reference)]
    for index, teacher in enumerate(spec.teachers):
        named += [(f"teachers[{index}].model", teacher.model), (f"teachers[{index}].reference", teacher.reference)]
    for field, model in named:
        if model and model.startswith("hf://"):
            yield {"field": field, "nodes": spec.compute.nodes}


def too_many_measured(spec: "Spec") -> Iterator[Words]:
    """Checkpoints before the end, where they are evaluated and status could not hold them all."""
    steps, every = spec.optimization.steps, spec.checkpoints.every_steps
    if steps is not None and "checkpoints" in spec.evaluation.at and (steps - 1) // every > MEASURED_CHECKPOINTS:
        yield {"count": (steps - 1) // every, "least": -(-(steps - 1) // MEASURED_CHECKPOINTS)}


COMPUTE_RULES: tuple[Rule, ...] = (
    Rule(
        "teachers[{index}].{field}",
        "is {value} with compute.accelerator cpu, which has one place a model",
        "remove it, or set accelerator: gpu",
        breaks=spread_on_cpu,
        cel="self.compute.accelerator == 'gpu' || self.teachers.all(t, t.tensorParallel == 1 && t.replicas == 1)",
        general={"index": "", "field": "replicas or tensorParallel", "value": "above 1"},
    ),
    Rule(
        "compute.gpusPerNode",
        "{fault}",
        "{remedy}",
        breaks=scoring_pool_faults,
        general={
            "fault": "leaves no GPU for the student, or does not fit the models that score",
            "remedy": "set more GPUs, or other replicas or tensorParallel",
        },
        why_no_cel="distinct references cannot be counted in CEL",
    ),
    Rule(
        "{field}",
        "would be fetched by one of {nodes} nodes, and the others could not read it there",
        "download it to the volume and give its path, or set compute.nodes: 1",
        breaks=fetched_by_one_node,
        cel="self.compute.nodes == 1 || !(self.student.model.startsWith('hf://') || "
        "(has(self.objective.reference) && self.objective.reference.startsWith('hf://')) || "
        "self.teachers.exists(t, t.model.startsWith('hf://') || "
        "(has(t.reference) && t.reference.startsWith('hf://'))))",
        general={"field": "a model of the hub", "nodes": "several"},
    ),
    Rule(
        "optimization.batchSize",
        "makes {answers} answers a step, which the {gpus}GPUs that train cannot share equally",
        "set batchSize times samplesPerPrompt to a multiple of {multiple}, or other teacher replicas",
        breaks=uneven_batches,
        general={"answers": "so many", "gpus": "", "multiple": "their number"},
        why_no_cel="the GPUs that train are those which distinct references leave",
    ),
    Rule(
        "checkpoints.everySteps",
        f"makes {{count}} checkpoints that are evaluated, of which a job can have {MEASURED_CHECKPOINTS}",
        "set {least} or more, or remove checkpoints from evaluation.at",
        breaks=too_many_measured,
        cel="!('checkpoints' in self.evaluation.at) || !has(self.optimization.steps) || "
        f"(self.optimization.steps - 1) / self.checkpoints.everySteps <= {MEASURED_CHECKPOINTS}",
        general={"count": "too many", "least": f"optimization.steps / {MEASURED_CHECKPOINTS}"},
    ),
    Rule(
        "optimization.microBatchSize",
        "is more than the answers of a step",
        "set a smaller one",
        breaks=unless(
            lambda s: s.optimization.micro_batch_size <= s.optimization.batch_size * s.sampling.samples_per_prompt
        ),
        cel="self.optimization.microBatchSize <= self.optimization.batchSize * self.sampling.samplesPerPrompt",
    ),
)
