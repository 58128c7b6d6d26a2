"""Plans: of every example against its golden file, and what a plan must be whatever the spec is."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.operator.golden_plans import EXAMPLES, GOLDEN, golden_text

from gopd_api.base import Name
from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.requests import EvalRequest, TrainRequest
from gopd_operator.core.comparing import FoundCheckpoint, SubjectFault
from gopd_operator.core.identity import local_uid
from gopd_operator.core.plan import Plan
from gopd_operator.core.sweep import children, short_name
from gopd_operator.core.workflow import Observed, Surroundings, plan

HERE = Surroundings("/root-of-storage", "sqlite:////root-of-storage/mlflow.db")
names = st.from_regex(r"[a-z](-?[a-z0-9]){0,9}", fullmatch=True).filter(
    lambda name: name not in ("student", "reference")
)


def job(**changes: Any) -> DistillationJob:
    spec = {
        "student": {"model": "models/student"},
        "teachers": [{"name": "wise", "model": "models/teacher"}],
        "data": {"train": "data/train.jsonl"},
        "optimization": {"steps": 20, "batchSize": 8},
        "checkpoints": {"everySteps": 8},
        "evaluation": {"tasks": [{"benchmark": "kl-to-teacher", "data": "data/heldout.jsonl"}]},
        "compute": {"accelerator": "cpu"},
    }
    metadata = {"name": "small"}
    document = {
        "apiVersion": "gopd.io/v1alpha1",
        "kind": "DistillationJob",
        "metadata": metadata,
        "spec": spec | changes,
    }
    return DistillationJob.model_validate(document)


@st.composite
def jobs(draw: st.DrawFn) -> DistillationJob:
    teachers = draw(st.lists(st.one_of(names, st.sampled_from(["before", "after", "step-8", "teacher-before"])),
                             min_size=1, max_size=3, unique=True))  # fmt: skip
    amount = draw(st.sampled_from([{"steps": draw(st.integers(1, 40))}, {"epochs": draw(st.integers(1, 3))}]))
    scales = st.lists(st.floats(0, 2, allow_subnormal=False), min_size=1, max_size=3, unique=True)
    sweep = draw(st.sampled_from([None, {"rewardScale": draw(scales), "seed": draw(st.sampled_from([[], [1, 2]]))}]))
    several = len(teachers) > 1
    return job(
        **({"sweep": sweep} if sweep else {}),
        teachers=[{"name": name, "model": f"models/{name}", "domains": [name] if several else []} for name in teachers],
        optimization={"batchSize": 8} | amount,
        checkpoints={"everySteps": draw(st.integers(1, 15))},
        evaluation={}
        if not sweep and draw(st.integers(0, 4)) == 0
        else {
            **tasks(),
            "at": draw(st.lists(st.sampled_from(["start", "checkpoints", "end"]), min_size=1, unique=True)),
            "teachers": draw(st.booleans()),
        },
    )


observed = st.one_of(st.none(), st.builds(Observed, prompts=st.integers(8, 200)))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_planned_as_its_golden_file_says(example: Path) -> None:
    golden = GOLDEN / example.name
    assert golden.exists(), f"no golden plan; write it with: python {Path(__file__).with_name('golden_plans.py')}"
    assert golden_text(example) == golden.read_text()


def test_no_golden_plan_is_left_without_its_example() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {example.name for example in EXAMPLES}


@settings(max_examples=30)
@given(jobs(), observed)
def test_the_same_job_always_gives_the_same_plan(one: DistillationJob, seen: Observed | None) -> None:
    again = DistillationJob.model_validate_json(one.model_dump_json(by_alias=True))
    assert plan(one, HERE, seen) == plan(again, HERE, seen)


@settings(max_examples=30)
@given(jobs(), observed)
def test_steps_come_after_what_they_depend_on_and_depend_on_nothing_else(
    one: DistillationJob, seen: Observed | None
) -> None:
    before: set[str] = set()
    for step in plan(one, HERE, seen).steps:
        assert set(step.after) <= before
        assert step.name not in before
        before.add(step.name)


@settings(max_examples=30)
@given(jobs(), observed)
def test_no_two_steps_write_the_same_file(one: DistillationJob, seen: Observed | None) -> None:
    written: list[str] = []
    for step in plan(one, HERE, seen).steps:
        if isinstance(step.request, TrainRequest):
            paths = step.request.paths
            written += [paths.checkpoints, paths.exports, paths.progress, paths.report, str(step.paths.train_request)]
        if isinstance(step.request, EvalRequest):
            written += [step.request.paths.report, step.request.paths.comparison, step.request.paths.progress]
            written.append(str(step.paths.evaluation(step.own_name).request))
    assert len(written) == len(set(written))


@settings(max_examples=30)
@given(jobs(), observed)
def test_subjects_have_valid_names_that_are_theirs_alone(one: DistillationJob, seen: Observed | None) -> None:
    for step in plan(one, HERE, seen).steps:
        if isinstance(step.request, EvalRequest):
            given_names = [subject.name for subject in step.request.subjects]
            assert len(given_names) == len(set(given_names))
            assert step.request.baseline in given_names
            for name in given_names:
                TypeAdapter(Name).validate_python(name)


@settings(max_examples=30)
@given(jobs(), observed)
def test_a_request_survives_being_written_and_read_by_another_process(
    one: DistillationJob, seen: Observed | None
) -> None:
    for step in plan(one, HERE, seen).steps:
        if step.request is not None:
            assert type(step.request).read(step.request.to_json()).digest() == step.request.digest()


@settings(max_examples=30)
@given(jobs(), observed)
def test_every_compared_student_is_one_that_a_training_exports(one: DistillationJob, seen: Observed | None) -> None:
    made = plan(one, HERE, seen)
    exported = {
        f"{step.request.paths.exports}/step-{count}": step
        for step, training in zip((s for s in made.steps if s.kind == "train"), made.trainings, strict=True)
        if isinstance(step.request, TrainRequest) and training.total_steps
        for count in range(1, training.total_steps + 1)
        if count % step.request.checkpoints.every_steps == 0 or count == training.total_steps
    }
    for step in made.steps:
        if isinstance(step.request, EvalRequest):
            for subject in step.request.subjects:
                assert subject.model in exported or not (subject.role == "student" and subject.step)


@settings(max_examples=30)
@given(jobs())
def test_the_children_of_a_sweep_are_distinct_valid_jobs(one: DistillationJob) -> None:
    family = children(one)
    assert len({child.metadata.name for child in family.values()}) == len(family)
    assert len({local_uid(child) for child in family.values()}) == len(family)
    for short, child in family.items():
        TypeAdapter(Name).validate_python(short)
        DistillationJob.model_validate_json(child.model_dump_json(by_alias=True))


def test_a_full_evaluation_has_its_steps_in_this_order() -> None:
    made = plan(job(evaluation={**tasks(), "at": ["start", "checkpoints", "end"]}), HERE)
    assert [step.name for step in made.steps] == [
        "evaluate-start", "train", "evaluate-step-8", "evaluate-step-16", "evaluate-end", "compare",
    ]  # fmt: skip
    assert subjects(made, "compare") == ["before", "wise", "step-8", "step-16", "after"]
    assert subjects(made, "evaluate-start") == ["before", "wise"]


def test_without_tasks_there_is_training_only() -> None:
    assert [step.name for step in plan(job(evaluation={"tasks": []}), HERE).steps] == ["train"]


def test_without_a_measured_start_the_first_teacher_is_the_baseline() -> None:
    made = plan(job(evaluation={**tasks(), "at": ["end"]}), HERE)
    assert [step.name for step in made.steps] == ["evaluate-teachers", "train", "evaluate-end", "compare"]
    request = made.step("compare").request
    assert isinstance(request, EvalRequest) and request.baseline == "wise"


def test_the_teacher_of_the_divergence_task_is_the_first_one_by_default() -> None:
    request = plan(job(), HERE).step("evaluate-end").request
    assert isinstance(request, EvalRequest)
    assert request.tasks[0].teacher == "/root-of-storage/models/teacher"
    assert request.tasks[0].name == "kl-to-teacher"


def test_epochs_leave_the_end_undecided_until_the_prompts_are_counted() -> None:
    one = job(optimization={"epochs": 3, "batchSize": 8})
    unknown = plan(one, HERE)
    assert unknown.trainings[0].total_steps is None
    assert [step.name for step in unknown.steps if step.request is None] == ["evaluate-end", "compare"]
    known = plan(one, HERE, Observed(prompts=21))
    assert known.trainings[0].total_steps == 6
    assert all(step.request is not None for step in known.steps)


def test_a_sweep_measures_start_and_teacher_once_and_groups_by_reward_scale() -> None:
    made = plan(job(sweep={"rewardScale": [1, 1.25], "seed": [1, 2]}), HERE)
    measured = [name for step in made.steps if step.kind == "evaluate" for name in subjects(made, step.name)]
    assert measured.count("before") == 1 and measured.count("wise") == 1 and measured.count("after") == 4
    request = made.step("compare").request
    assert isinstance(request, EvalRequest)
    students = [(one.name, one.group, one.repeat) for one in request.subjects[2:]]
    assert students[0] == ("s1-seed1", "rewardScale 1", 1)
    assert students[-1] == ("s1p25-seed2", "rewardScale 1.25", 2)


def test_a_child_of_a_sweep_is_trained_as_if_it_had_been_written_alone() -> None:
    alone = job(objective={"rewardScale": 1.5}, optimization={"steps": 20, "batchSize": 8, "seed": 7})
    swept = job(sweep={"rewardScale": [1.5], "seed": [7]})
    left, right = plan(alone, HERE).step("train").request, plan(swept, HERE).step("s1p5-seed7/train").request
    assert isinstance(left, TrainRequest) and isinstance(right, TrainRequest)
    hidden = {"job", "paths", "tracking"}
    assert left.model_dump(exclude=hidden) == right.model_dump(exclude=hidden)


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 2**31 - 1)), unique=True))
def test_distinct_settings_of_a_sweep_have_distinct_names(pairs: list[tuple[float, int]]) -> None:
    assert len({short_name(*pair) for pair in pairs}) == len(set(pairs))


def test_how_a_job_is_looked_after_is_not_what_it_is() -> None:
    assert local_uid(job()) == local_uid(job(lifecycle={"maxAttempts": 9}, scheduling={"queue": "night"}))
    assert local_uid(job()) != local_uid(job(objective={"rewardScale": 1.5}))


def test_an_attempt_and_its_limits_do_not_change_what_a_report_answers() -> None:
    request = plan(job(), HERE).step("train").request
    assert isinstance(request, TrainRequest)
    later = request.model_copy(
        update={"attempt": 3, "limits": request.limits.model_copy(update={"save_before_unix": 1.0})}
    )
    assert later.digest() == request.digest()
    assert later.model_copy(update={"overrides": {"trainer.x": 1}}).digest() != request.digest()


def comparison_job(checkpoint: str) -> EvalJob:
    spec = {
        "subjects": [
            {"name": "start", "model": "models/student"},
            {"name": "ours", "distillationJob": {"name": "small", "checkpoint": checkpoint}},
        ],
        "tasks": [{"benchmark": "math", "data": "data/heldout.jsonl"}],
        "compute": {"accelerator": "cpu"},
    }
    return EvalJob.model_validate(
        {"apiVersion": "gopd.io/v1alpha1", "kind": "EvalJob", "metadata": {"name": "check"}, "spec": spec}
    )


FOUND = {
    "small": [
        FoundCheckpoint(8, "/e/step-8", 0.7),
        FoundCheckpoint(16, "/e/step-16", 0.6),
        FoundCheckpoint(20, "/e/20"),
    ]
}


@pytest.mark.parametrize(
    ("checkpoint", "models"),
    [
        ("latest", ["/e/20"]),
        ("best", ["/e/step-8"]),
        ("step-16", ["/e/step-16"]),
        ("all", ["/e/step-8", "/e/step-16", "/e/20"]),
    ],
)
def test_a_subject_means_the_checkpoints_that_it_says(checkpoint: str, models: list[str]) -> None:
    request = plan(comparison_job(checkpoint), HERE, Observed(checkpoints=FOUND)).step("compare").request
    assert isinstance(request, EvalRequest)
    assert [subject.model for subject in request.subjects[1:]] == models


def test_a_checkpoint_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(SubjectFault, match="no checkpoint step-9; use one of step-8, step-16, step-20"):
        plan(comparison_job("step-9"), HERE, Observed(checkpoints=FOUND))


def test_a_comparison_waits_for_jobs_that_have_not_been_looked_for() -> None:
    made = plan(comparison_job("latest"), HERE)
    assert [step.undecided for step in made.steps] == ["the checkpoints of small are not known yet"] * 2


def tasks() -> dict[str, Any]:
    return {"tasks": [{"benchmark": "math", "data": "data/heldout.jsonl"}]}


def subjects(made: Plan, step: str) -> list[str]:
    request = made.step(step).request
    assert isinstance(request, EvalRequest)
    return [subject.name for subject in request.subjects]
