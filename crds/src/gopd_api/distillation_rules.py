"""Rules of a DistillationJob's spec that look at more than one part of it, each with its CEL twin where CEL can see it.

They decide what is refused before a GPU is booked. What only the files can tell (tokenizers, prompt lengths, routing
values in the data) is found at run time by the trainer. The rules of a single part stand beside it, in `training` and
`running`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gopd_api import effective
from gopd_api.base import Rule, Words, repeated, unless
from gopd_api.owned import owned_pattern, owner_of

if TYPE_CHECKING:
    from gopd_api.objects import DistillationJobSpec as Spec

USED = (
    "(has(self.sweep) && self.sweep.rewardScale.size() > 0 ? self.sweep.rewardScale.exists(s, s != 1.0) : "
    "(has(t.rewardScale) ? t.rewardScale : self.objective.rewardScale) != 1.0)"
)
"""CEL: true where the samples of teacher `t` need a reference, as `reward_scales` has it."""


def repeated_domains(spec: "Spec") -> Iterator[Words]:
    """Domains that an earlier teacher lists too."""
    owners: dict[str, str] = {}
    for index, teacher in enumerate(spec.teachers):
        for domain in teacher.domains:
            if owners.setdefault(domain, teacher.name) != teacher.name:
                yield {"index": index, "domain": domain, "other": f"teacher {owners[domain]}"}


def unused_references(spec: "Spec") -> Iterator[Words]:
    """Teachers with a reference of their own that no reward scale ever uses."""
    for index, teacher in enumerate(spec.teachers):
        if teacher.reference and all(scale == 1 for scale in effective.reward_scales(spec, teacher)):
            yield {"index": index}


def scale_is_always_1(spec: "Spec") -> bool:
    """True where no sample of any teacher is trained with another reward scale than 1."""
    return all(scale == 1 for teacher in spec.teachers for scale in effective.reward_scales(spec, teacher))


def shared_reference_is_overridden(spec: "Spec") -> bool:
    """True where every teacher that needs a reference has its own."""
    needing = [t for t in spec.teachers if any(scale != 1 for scale in effective.reward_scales(spec, t))]
    return bool(needing) and all(teacher.reference for teacher in needing)


def cancelling_references(spec: "Spec") -> Iterator[Words]:
    """Named references that are the teacher itself: the advantage would not depend on the reward scale."""
    for index, teacher in enumerate(spec.teachers):
        named = teacher.reference or spec.objective.reference
        if named == teacher.model and any(scale != 1 for scale in effective.reward_scales(spec, teacher)):
            field = f"teachers[{index}].reference" if teacher.reference else "objective.reference"
            yield {"field": field, "teacher": f"teacher {teacher.name}"}


def short_contexts(spec: "Spec") -> Iterator[Words]:
    """Teachers that cannot read the longest prompt, the longest answer and one token more."""
    needed = spec.data.max_prompt_tokens + spec.data.max_response_tokens + 1
    for index, teacher in enumerate(spec.teachers):
        if teacher.context is not None and teacher.context < needed:
            yield {"index": index, "context": teacher.context, "needed": needed}


def owned_overrides(spec: "Spec") -> Iterator[Words]:
    """verl options that the project sets itself."""
    for key in spec.overrides:
        if owned := owner_of(key):
            yield {"key": key, "why": owned.why, "instead": owned.instead}


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


TEACHER_RULES: tuple[Rule, ...] = (
    Rule(
        "teachers[{index}].name",
        "is {name} again",
        "give every teacher a name of its own",
        breaks=lambda spec: [{"index": i, "name": f'"{n}"'} for i, n in repeated(t.name for t in spec.teachers)],
        general={"name": "the same"},
        why_no_cel="the list is keyed by name in the schema",
    ),
    Rule(
        "teachers[{index}].domains",
        "is empty, so with several teachers nothing would say whose samples are its own",
        "list the values of {field} that it scores",
        breaks=lambda spec: [
            {"index": i, "field": spec.data.domain_field}
            for i, teacher in enumerate(spec.teachers)
            if len(spec.teachers) > 1 and not teacher.domains
        ],
        cel="self.teachers.size() == 1 || self.teachers.all(t, t.domains.size() > 0)",
        general={"index": "", "field": "data.domainField"},
    ),
    Rule(
        "teachers[{index}].domains",
        '"{domain}" is also listed by {other}',
        "let one teacher score it",
        breaks=repeated_domains,
        cel="self.teachers.all(a, self.teachers.all(b, a.name == b.name || !a.domains.exists(d, d in b.domains)))",
        general={"index": "", "domain": "a domain", "other": "another teacher"},
    ),
    Rule(
        "teachers[{index}].context",
        "is {context}, less than the longest prompt, the longest answer and one token more ({needed})",
        "set smaller data.maxPromptTokens or maxResponseTokens, or take another teacher",
        breaks=short_contexts,
        cel="self.teachers.all(t, !has(t.context) || "
        "t.context > self.data.maxPromptTokens + self.data.maxResponseTokens)",
        general={"index": "", "context": "too small", "needed": "data.maxPromptTokens + maxResponseTokens + 1"},
    ),
)

REFERENCE_RULES: tuple[Rule, ...] = (
    Rule(
        "teachers[{index}].reference",
        "would not be used: at reward scale 1 the reference cancels",
        "remove it, or set another rewardScale",
        breaks=unused_references,
        cel=f"self.teachers.all(t, !has(t.reference) || {USED})",
        general={"index": ""},
    ),
    Rule(
        "objective.reference",
        "would not be used: every reward scale is 1, where the reference cancels",
        "remove it, or set another rewardScale",
        breaks=unless(lambda spec: not (spec.objective.reference and scale_is_always_1(spec))),
        cel=f"!has(self.objective.reference) || self.teachers.exists(t, {USED})",
    ),
    Rule(
        "objective.reference",
        "would not be used: every teacher that needs a reference has its own",
        "remove it, or remove the teachers' own",
        breaks=unless(lambda spec: not (spec.objective.reference and shared_reference_is_overridden(spec))),
        cel=f"!has(self.objective.reference) || !self.teachers.exists(t, {USED}) || "
        f"self.teachers.exists(t, !has(t.reference) && {USED})",
    ),
    Rule(
        "{field}",
        "is the model of {teacher} itself, so no reward scale would change anything",
        "name another reference, or remove it and set rewardScale: 1",
        breaks=cancelling_references,
        cel="self.teachers.all(t, !(has(t.reference) ? t.reference == t.model : "
        "(has(self.objective.reference) && self.objective.reference == t.model)) || "
        f"!{USED})",
        general={"field": "reference", "teacher": "its teacher"},
    ),
)

OVERRIDE_RULES: tuple[Rule, ...] = (
    Rule(
        'overrides["{key}"]',
        "{why}",
        "{instead}",
        breaks=owned_overrides,
        cel=f"self.overrides.all(key, !key.matches(r'{owned_pattern()}'))",
        general={"key": "...", "why": "is an option that the project sets itself", "instead": "use the field for it"},
    ),
    Rule(
        'overrides["{key}"]',
        "is not the name of a verl option",
        "write names joined by dots, without + or ~ before them",
        breaks=lambda spec: (),
        cel=r"self.overrides.all(key, key.size() <= 256 && key.matches(r'^[A-Za-z_][\w.]*$'))",
        general={"key": "..."},
    ),
)

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
        "optimization.microBatchSize",
        "is more than the answers of a step",
        "set a smaller one",
        breaks=unless(
            lambda s: s.optimization.micro_batch_size <= s.optimization.batch_size * s.sampling.samples_per_prompt
        ),
        cel="self.optimization.microBatchSize <= self.optimization.batchSize * self.sampling.samplesPerPrompt",
    ),
)

SWEEP_RULES: tuple[Rule, ...] = (
    Rule(
        "evaluation.tasks",
        "is empty, so the jobs of the sweep could not be compared",
        "add a task, or remove the sweep",
        breaks=unless(lambda spec: spec.sweep is None or bool(spec.evaluation.tasks)),
        cel="!has(self.sweep) || self.evaluation.tasks.size() > 0",
    ),
    Rule(
        "sweep.rewardScale",
        "would be overruled by the rewardScale of {teacher}",
        "remove one of the two",
        breaks=lambda spec: [
            {"teacher": f"teacher {teacher.name}"}
            for teacher in spec.teachers
            if spec.sweep and spec.sweep.reward_scale and teacher.reward_scale is not None
        ],
        cel="!has(self.sweep) || self.sweep.rewardScale.size() == 0 || self.teachers.all(t, !has(t.rewardScale))",
        general={"teacher": "a teacher"},
    ),
)

DISTILLATION_RULES = TEACHER_RULES + REFERENCE_RULES + OVERRIDE_RULES + COMPUTE_RULES + SWEEP_RULES
