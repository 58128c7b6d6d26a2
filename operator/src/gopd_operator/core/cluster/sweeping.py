"""A sweep: a DistillationJob that makes a child DistillationJob for each pair of values, and one EvalJob to compare.

Children are created under names that follow from their values, a bounded number at a time; only their
`lifecycle.suspend` is changed afterwards, because it follows the sweep's. A child that has succeeded and was deleted is
not trained once more; one that has failed is, which is how somebody has it tried again. The comparison is made when
every child has succeeded and is there. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gopd_api.evaluation import CheckpointOf, Subject
from gopd_api.objects import API_VERSION, DistillationJob, EvalJob, EvalJobSpec, ObjectMeta
from gopd_api.status import Child, Phase
from gopd_operator.core.cluster.accepting import Acceptance
from gopd_operator.core.cluster.conditions import ENDED, Claim
from gopd_operator.core.cluster.decision import Decision, Look, SuspendPatch
from gopd_operator.core.cluster.manifests import Context, Manifest, metadata
from gopd_operator.core.cluster.names import SWEEP
from gopd_operator.core.cluster.reporting import accepted_status, claimed, ended
from gopd_operator.core.cluster.seen import ChildSeen
from gopd_operator.core.measuring import teacher_subjects
from gopd_operator.core.sweep import children


def sweeping(look: Look, accepted: Acceptance) -> Decision:
    """What is to be done about a sweep whose inputs were accepted."""
    job = look.context.job
    assert isinstance(job, DistillationJob)
    assert job.spec.sweep is not None
    family = children(job)
    seen = {(one.kind, one.name): one for one in look.seen.children}
    mine = {short: seen.get(("DistillationJob", child.metadata.name)) for short, child in family.items()}
    comparison = seen.get(("EvalJob", job.metadata.name))
    suspend = job.spec.lifecycle.suspend
    deleted = _deleted(look, family, mine)
    creates: list[Manifest] = []
    if not suspend:
        running = sum(1 for one in mine.values() if one is not None and one.phase not in ENDED)
        wanted = [child for short, child in family.items() if mine[short] is None and short not in deleted]
        free = max(0, job.spec.sweep.max_parallel - running)
        creates = [child_manifest(look.context, child) for child in wanted[:free]]
        if comparison is None and all(one is not None and one.phase == "Succeeded" for one in mine.values()):
            creates.append(comparison_manifest(look.context, job, family))
    patches = [
        SuspendPatch(one.name, suspend)
        for one in mine.values()
        if one is not None and one.suspend != suspend and one.phase not in ENDED
    ]
    status = accepted_status(look, accepted)
    stand = deleted | {short: one.phase for short, one in mine.items() if one is not None}
    listed = [
        Child(kind="DistillationJob", name=child.metadata.name, phase=stand[short])
        for short, child in family.items()
        if short in stand
    ]
    if comparison is not None:
        listed.append(Child(kind="EvalJob", name=comparison.name, phase=comparison.phase))
    status = status.model_copy(update={"children": listed})
    decision = Decision(status, creates=tuple(creates), patches=tuple(patches))
    phases = {short: stand.get(short, "Pending") for short in family}
    return _with_phase(look, decision, phases, list(deleted), comparison)


def _deleted(look: Look, family: Mapping[str, DistillationJob], mine: Mapping[str, ChildSeen | None]) -> dict[str, str]:
    """The children that had succeeded, by status, and are no longer there, each with that phase."""
    known = {one.name: one.phase for one in look.status.children if one.kind == "DistillationJob"}
    found = {short: known.get(child.metadata.name) for short, child in family.items() if mine[short] is None}
    return {short: phase for short, phase in found.items() if phase == "Succeeded"}


def _with_phase(
    look: Look, decision: Decision, stand: Mapping[str, str], deleted: Sequence[str], comparison: ChildSeen | None
) -> Decision:
    """The phase of the sweep, from those of its children."""
    phases = list(stand.values())
    done = sum(phase == "Succeeded" for phase in phases)
    failed = [short for short, phase in stand.items() if phase in ("Failed", "Invalid")]
    if comparison is not None and comparison.phase in ENDED:
        if comparison.phase == "Succeeded":
            words = f"{done} jobs were trained and compared by EvalJob {comparison.name}"
            return replace(decision, status=ended(look, decision.status, "Succeeded", "Compared", words))
        words = f"EvalJob {comparison.name}: {comparison.message or comparison.phase}"
        return replace(decision, status=ended(look, decision.status, "Failed", "ComparisonFailed", words))
    if failed and all(phase in ENDED for phase in phases):
        words = f"{len(failed)} of {len(phases)} jobs failed: {', '.join(failed[:8])}; see kubectl describe of each"
        return replace(decision, status=ended(look, decision.status, "Failed", "ChildFailed", words))
    waits = comparison is None or comparison.phase == "Pending"
    if deleted and waits and all(phase in ENDED for phase in phases):
        words = f"deleted before they were compared: {', '.join(deleted[:8])}; apply the sweep under another name"
        return replace(decision, status=ended(look, decision.status, "Failed", "ChildDeleted", words))
    phase: Phase = "Training"
    if comparison is not None:
        phase = "Evaluating"
    elif look.context.job.spec.lifecycle.suspend:
        phase = "Suspended"
    words = f"{done} of {len(phases)} jobs have succeeded"
    claims = [Claim("Training", "True" if phase == "Training" else "False", phase, words)]
    status = decision.status
    update = {"phase": phase, "conditions": claimed(look, status.conditions, claims)}
    return replace(decision, status=status.model_copy(update=update))


def child_manifest(context: Context, child: DistillationJob) -> Manifest:
    """The DistillationJob of one pair of values, owned by the sweep."""
    meta = metadata(context, child.metadata.name)
    meta["labels"] |= {**child.metadata.labels, SWEEP: context.key.name}
    if child.metadata.annotations:
        meta["annotations"] = _kept(child.metadata.annotations)
    spec = child.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"apiVersion": API_VERSION, "kind": "DistillationJob", "metadata": meta, "spec": spec}


def _kept(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations without kubectl's copy of another object."""
    return {key: value for key, value in annotations.items() if not key.startswith("kubectl.kubernetes.io/")}


def comparison_manifest(context: Context, job: DistillationJob, family: Mapping[str, DistillationJob]) -> Manifest:
    """The EvalJob that compares every child's last student, grouped by reward scale, with start and teachers."""
    spec = job.spec
    first = spec.teachers[0].model
    tasks = [
        task.model_copy(update={"teacher": task.teacher or first}) if task.benchmark == "kl-to-teacher" else task
        for task in spec.evaluation.tasks
    ]
    made = EvalJobSpec(
        subjects=[*_start_subjects(job), *_students(family)],
        tasks=tasks,
        sampling=spec.evaluation.sampling,
        compute=spec.compute,
        scheduling=spec.scheduling,
        storage=spec.storage,
        tracking=spec.tracking,
    )
    found = EvalJob(
        api_version="gopd.io/v1alpha1",
        kind="EvalJob",
        metadata=ObjectMeta(name=job.metadata.name, namespace=job.metadata.namespace),
        spec=made,
    )
    meta = metadata(context, job.metadata.name)
    meta["labels"] |= {SWEEP: context.key.name}
    body = found.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"apiVersion": API_VERSION, "kind": "EvalJob", "metadata": meta, "spec": body}


def _start_subjects(job: DistillationJob) -> list[Subject]:
    """The student's start, and the teachers where they are measured."""
    found = []
    if "start" in job.spec.evaluation.at:
        found.append(Subject(name="before", model=job.spec.student.model))
    if job.spec.evaluation.teachers:
        names = teacher_subjects([teacher.name for teacher in job.spec.teachers])
        pairs = zip(names, job.spec.teachers, strict=True)
        found += [Subject(name=name, model=teacher.model) for name, teacher in pairs]
    return found


def _students(family: Mapping[str, DistillationJob]) -> Sequence[Subject]:
    return [
        Subject(
            name=short,
            distillation_job=CheckpointOf(name=child.metadata.name, checkpoint="latest"),
            group=f"rewardScale {child.spec.objective.reward_scale:g}",
        )
        for short, child in family.items()
    ]
