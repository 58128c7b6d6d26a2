"""Sweeps and EvalJobs: children a few at a time, one comparison, students that are waited for."""

from dataclasses import replace
from typing import Any

from tests.operator.cluster_world import EXAMPLES, START, World, tiny_job

from gopd_api.load import load_file
from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.status import DistillationJobStatus, EvalJobStatus
from gopd_operator.core.cluster.deciding import decide
from gopd_operator.core.cluster.decision import Decision, Look
from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.cluster.seen import ChildSeen, Seen
from gopd_operator.core.comparing import FoundCheckpoint
from gopd_operator.core.settings import OperatorSettings

SETTINGS = OperatorSettings(inspect=False, storage_claim="gopd")


def sweep(**lifecycle: Any) -> Look:
    """A sweep over two reward scales and two seeds, two at a time, that has no children yet."""
    given = tiny_job().spec.teachers[0].model_dump(mode="json", by_alias=True, exclude_none=True)
    job = tiny_job(
        teachers=[{**given, "domains": []}],
        sweep={"rewardScale": [1.0, 1.25], "seed": [1, 2], "maxParallel": 2},
        lifecycle=lifecycle,
    )
    return Look(Context(job, SETTINGS), DistillationJobStatus(), Seen(), START)


def with_children(look: Look, *phases: str, comparison: str | None = None) -> Look:
    """The same sweep, with its first children in these phases."""
    names = ["tiny-s1-seed1", "tiny-s1-seed2", "tiny-s1p25-seed1", "tiny-s1p25-seed2"]
    children = [
        ChildSeen("DistillationJob", name, f"u-{name}", phase, False)
        for name, phase in zip(names, phases, strict=False)
    ]
    if comparison:
        children.append(ChildSeen("EvalJob", "tiny", "u-eval", comparison, False, "why"))
    return replace(look, seen=Seen(children=children))


def made(decision: Decision) -> list[str]:
    return [f"{one['kind']}/{one['metadata']['name']}" for one in decision.creates]


def test_children_are_made_a_few_at_a_time() -> None:
    look = sweep()
    assert made(decide(look)) == ["DistillationJob/tiny-s1-seed1", "DistillationJob/tiny-s1-seed2"]
    assert made(decide(with_children(look, "Training", "Training"))) == []
    third = decide(with_children(look, "Succeeded", "Training"))
    assert made(third) == ["DistillationJob/tiny-s1p25-seed1"]
    assert third.status.phase == "Training"


def test_a_child_is_a_job_of_its_own_that_the_api_takes() -> None:
    (first, _) = decide(sweep()).creates
    child = DistillationJob.model_validate(first)
    assert child.spec.sweep is None
    assert (child.spec.objective.reward_scale, child.spec.optimization.seed) == (1.0, 1)
    assert child.metadata.labels["gopd.io/sweep"] == "tiny"
    assert first["metadata"]["ownerReferences"][0]["kind"] == "DistillationJob"


def test_the_comparison_comes_when_every_child_has_succeeded() -> None:
    look = sweep()
    assert made(decide(with_children(look, "Succeeded", "Succeeded", "Succeeded", "Training"))) == []
    (comparison,) = decide(with_children(look, *["Succeeded"] * 4)).creates
    job = EvalJob.model_validate(comparison)
    subjects = [(one.name, one.group) for one in job.spec.subjects]
    assert subjects[0] == ("before", None)
    assert ("s1p25-seed2", "rewardScale 1.25") in subjects
    assert all(task.teacher for task in job.spec.tasks if task.benchmark == "kl-to-teacher")
    done = decide(with_children(look, *["Succeeded"] * 4, comparison="Succeeded"))
    assert done.status.phase == "Succeeded"


def recorded(look: Look, *phases: str) -> Look:
    """The same sweep as its status has it, after a look at children in these phases."""
    return replace(look, status=decide(with_children(look, *phases)).status)


def test_a_child_has_no_time_to_live_of_its_own() -> None:
    for one in decide(sweep(ttlSecondsAfterFinished=60)).creates:
        assert DistillationJob.model_validate(one).spec.lifecycle.ttl_seconds_after_finished is None


def test_a_child_that_succeeded_and_was_deleted_is_not_trained_again() -> None:
    known = recorded(sweep(), "Succeeded", "Training")
    there = with_children(known, "Succeeded", "Training").seen.children[1:]
    decision = decide(replace(known, seen=Seen(children=there)))
    assert made(decision) == ["DistillationJob/tiny-s1p25-seed1"]
    assert decision.status.phase == "Training"


def test_a_sweep_whose_children_were_deleted_before_they_were_compared_says_so() -> None:
    known = recorded(sweep(), *["Succeeded"] * 4)
    there = with_children(known, *["Succeeded"] * 4).seen.children[1:]
    status = decide(replace(known, seen=Seen(children=there))).status
    failed = next(one for one in status.conditions if one.type == "Failed")
    assert (status.phase, failed.reason) == ("Failed", "ChildDeleted")
    assert "s1-seed1" in failed.message


def test_a_child_that_failed_and_was_deleted_is_made_again() -> None:
    known = recorded(sweep(), "Failed", "Training")
    there = with_children(known, "Failed", "Training").seen.children[1:]
    assert made(decide(replace(known, seen=Seen(children=there)))) == ["DistillationJob/tiny-s1-seed1"]


def test_a_child_that_fails_fails_the_sweep_when_the_others_have_ended() -> None:
    look = sweep()
    assert decide(with_children(look, "Failed", "Succeeded", "Succeeded", "Training")).status.phase == "Training"
    end = decide(with_children(look, "Failed", "Succeeded", "Succeeded", "Succeeded"))
    assert end.status.phase == "Failed"
    assert "s1-seed1" in next(one.message for one in end.status.conditions if one.type == "Failed")


def test_suspending_a_sweep_suspends_its_children_and_makes_no_others() -> None:
    decision = decide(with_children(sweep(suspend=True), "Training"))
    assert made(decision) == []
    assert [(one.name, one.suspend) for one in decision.patches] == [("tiny-s1-seed1", True)]
    assert decision.status.phase == "Suspended"


def eval_job() -> Look:
    """examples/evaljob.yaml as the API server holds it."""
    job = load_file(EXAMPLES / "evaljob.yaml")[0]
    body = job.model_dump(mode="json", by_alias=True, exclude_none=True)
    body["metadata"] |= {"uid": "33333333-2222-4333-8444-555555555555", "generation": 1}
    return Look(Context(EvalJob.model_validate(body), SETTINGS), EvalJobStatus(), Seen(), START)


def test_an_eval_job_waits_for_the_students_that_it_names() -> None:
    look = eval_job()
    names = [one.distillation_job.name for one in look.context.job.spec.subjects if one.distillation_job]  # type: ignore[union-attr]
    assert names
    waiting = decide(replace(look, unfinished=dict.fromkeys(names, "Training")))
    assert (waiting.status.phase, waiting.creates) == ("Pending", ())
    found = {name: (FoundCheckpoint(10, f"/gopd/{name}/step-10", 0.5),) for name in names}
    ready = decide(replace(look, found=found))
    assert ready.status.phase == "Evaluating"
    assert any(name.startswith("Job/") and "-ej-" in name for name in made(ready))


def test_an_eval_job_whose_students_are_deleted_while_it_measures_them_fails() -> None:
    look = eval_job()
    names = [one.distillation_job.name for one in look.context.job.spec.subjects if one.distillation_job]  # type: ignore[union-attr]
    found = {name: (FoundCheckpoint(10, f"/gopd/{name}/step-10", 0.5),) for name in names}
    begun = decide(replace(look, found=found))
    end = decide(replace(look, status=begun.status, unfinished={names[0]: "missing"}))
    assert end.status.phase == "Failed"
    failed = next(one for one in end.status.conditions if one.type == "Failed")
    assert failed.reason == "NoCheckpoint"
    assert f"{names[0]} (missing) was deleted" in failed.message


def test_an_eval_job_that_waits_can_be_suspended() -> None:
    look = eval_job()
    job, life = look.context.job, look.context.job.spec.lifecycle.model_copy(update={"suspend": True})
    job = job.model_copy(update={"spec": job.spec.model_copy(update={"lifecycle": life})})
    waiting = decide(replace(look, context=replace(look.context, job=job), unfinished={"tiny": "Training"}))
    assert waiting.status.phase == "Suspended"


def test_an_eval_job_goes_through_all_its_parts() -> None:
    world = World(eval_job().context.job, SETTINGS)
    job = world.job
    assert isinstance(job, EvalJob)
    models = [one.model_copy(update={"model": "models/x", "distillation_job": None}) for one in job.spec.subjects]
    world.job = job.model_copy(update={"spec": job.spec.model_copy(update={"subjects": models})})
    world.measure_all()
    assert world.phase() == "Succeeded"
    assert [one.rpartition("-")[2] for one in world.created if one.startswith("Job/")] == ["gen", "grade", "cmp"]
    assert world.status.evaluations
