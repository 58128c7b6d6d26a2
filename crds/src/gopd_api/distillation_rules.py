"""Rules of a DistillationJob's spec that look at more than one part of it, each with its CEL twin where CEL can see it.

They decide what is refused before a GPU is booked. What only the files can tell (tokenizers, prompt lengths, routing
values in the data) is found at run time by the trainer. The rules of a single part stand beside it, in `training` and
`running`, those of GPUs, batches and checkpoints in `compute_rules`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gopd_api import effective
from gopd_api.base import Rule, Words, repeated, unless
from gopd_api.compute_rules import COMPUTE_RULES
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
