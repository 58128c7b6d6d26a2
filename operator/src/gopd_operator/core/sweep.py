"""The plan of a sweep: a child job for each pair of a reward scale and a seed, and one comparison of them all.

The student's start and the teachers are measured once, for the sweep; the children's comparisons read those results
from the shared store. Which children run side by side is the executor's decision.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gopd_api.objects import DistillationJob, DistillationJobSpec
from gopd_api.requests import EvalRequest, EvalSubject
from gopd_operator.core.distilling import Surroundings, plan_distillation, total_steps, tracking
from gopd_operator.core.identity import fitting_name, identity
from gopd_operator.core.measuring import TOTAL_UNKNOWN, Measuring
from gopd_operator.core.paths import job_paths
from gopd_operator.core.plan import Plan, Step

START_STEPS = ("evaluate-start", "evaluate-teachers")


def children(job: DistillationJob) -> Mapping[str, DistillationJob]:
    """Each child by its short name, `s<reward scale>-seed<seed>` (`s1p25-seed1`), in the order of the lists."""
    sweep = job.spec.sweep
    if sweep is None:
        return {}
    scales = sweep.reward_scale or [job.spec.objective.reward_scale]
    seeds = sweep.seed or [job.spec.optimization.seed]
    return {short_name(scale, seed): _child(job, scale, seed) for scale in scales for seed in seeds}


def short_name(reward_scale: float, seed: int) -> str:
    """`s1p25-seed1` for 1.25 and 1: distinct for distinct pairs, and a valid Name."""
    digits = repr(float(reward_scale)).removesuffix(".0").replace(".", "p")
    return f"s{digits}-seed{seed}"


def plan_sweep(job: DistillationJob, surroundings: Surroundings, prompts: int | None = None) -> Plan:
    """The plan of a DistillationJob with a sweep: the start's evaluation, every child's steps, the comparison."""
    who = identity(job)
    paths = job_paths(surroundings.root, who)
    family = children(job)
    # The sweep itself trains nothing; its own tags would name a reward scale that no child need have.
    tracked = tracking(next(iter(family.values())), surroundings)
    hidden = ("gopd.rewardScale", "gopd.seed")
    tags = {key: value for key, value in tracked.tags.items() if key not in hidden} | {"gopd.sweep": who.name}
    tracked = tracked.model_copy(update={"run_name": who.name, "tags": tags})
    own = Measuring(job, paths, tracked, total_steps(job.spec, prompts))
    plans = {short: plan_distillation(child, surroundings, prompts, parent=who.name) for short, child in family.items()}
    steps = [*own.starts()]
    for short, child_plan in plans.items():
        steps += _inside(short, child_plan.steps)
    comparison = _comparison(own, family, plans)
    return Plan(
        job=who,
        kind="DistillationJob",
        paths=paths,
        steps=(*steps, *([comparison] if comparison else [])),
        trainings=tuple(training for child in plans.values() for training in child.trainings),
        children=tuple(family.values()),
    )


def _child(job: DistillationJob, reward_scale: float, seed: int) -> DistillationJob:
    spec = job.spec
    swept = bool(spec.sweep and spec.sweep.reward_scale)
    teachers = [teacher.model_copy(update={"reward_scale": None}) for teacher in spec.teachers]
    child_spec: DistillationJobSpec = spec.model_copy(
        update={
            "sweep": None,
            # Its own time to live would take it away while its sweep goes on; it goes with the sweep.
            "lifecycle": spec.lifecycle.model_copy(update={"ttl_seconds_after_finished": None}),
            "objective": spec.objective.model_copy(update={"reward_scale": reward_scale}),
            "optimization": spec.optimization.model_copy(update={"seed": seed}),
            "teachers": teachers if swept else spec.teachers,
        }
    )
    name = fitting_name(f"{job.metadata.name}-{short_name(reward_scale, seed)}")
    metadata = job.metadata.model_copy(update={"name": name, "uid": None, "generation": None})
    return job.model_copy(update={"metadata": metadata, "spec": child_spec, "status": None})


def _inside(short: str, steps: Iterable[Step]) -> list[Step]:
    """A child's steps under the sweep's names, without the evaluation that the sweep itself makes."""
    found = []
    for step in steps:
        if step.name in START_STEPS:
            continue
        after = tuple(name if name in START_STEPS else f"{short}/{name}" for name in step.after)
        found.append(replace(step, name=f"{short}/{step.name}", after=after))
    return found


def _comparison(own: Measuring, family: Mapping[str, DistillationJob], plans: Mapping[str, Plan]) -> Step | None:
    """All children's last students, grouped by reward scale and repeated by seed, with the start's subjects."""
    if not own.wanted or "end" not in own.job.spec.evaluation.at:
        return None
    after = tuple([step.name for step in own.starts()] + [f"{short}/evaluate-end" for short in plans])
    subjects = own.start_subjects()
    for short, child_plan in plans.items():
        request = child_plan.step("evaluate-end").request
        if not isinstance(request, EvalRequest):
            return Step("compare", "compare", own.paths, None, after, undecided=TOTAL_UNKNOWN)
        subjects.append(_grouped(request.subjects[0], short, family[short]))
    request = own.request("compare", subjects, subjects[0].name)
    return Step("compare", "compare", own.paths, request, after)


def _grouped(subject: EvalSubject, short: str, child: DistillationJob) -> EvalSubject:
    scale = f"rewardScale {child.spec.objective.reward_scale:g}"
    seed = child.spec.optimization.seed
    return subject.model_copy(update={"name": short, "group": scale, "repeat": seed})
