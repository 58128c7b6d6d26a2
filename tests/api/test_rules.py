"""Python's rules and the API server's agree on objects that nobody thought of; what is written is read unchanged."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gopd_api.benchmarks import BENCHMARKS
from gopd_api.load import InvalidSpec, parse
from gopd_api.objects import DistillationJob
from gopd_api.owned import OWNED_OPTIONS, owner_of
from gopd_api.requests import (
    EvalRequest,
    JobIdentity,
    Pools,
    ScoredTeacher,
    TrackingRequest,
    TrainLimits,
    TrainPaths,
    TrainRequest,
)

ONLY_IN_PYTHON = ("spec.compute.gpusPerNode", "spec.optimization.batchSize")
"""Fields of the rules that CEL cannot express."""

scales = st.sampled_from([0, 0.5, 1, 1.0, 1.25, 2])
models = st.sampled_from(["models/start", "models/a", "models/b"])


def sometimes(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def mostly(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """The usual value in four of five cases: what breaks a rule is rare, so that one fault does not hide another."""
    return st.sampled_from([usual] * 4 * len(others) + list(others))


teacher = st.builds(
    lambda model, optional: {"model": model} | optional,
    models,
    sometimes(rewardScale=scales, reference=models, context=mostly(97, 96, 128)),
)
several_teachers = st.lists(teacher, min_size=1, max_size=3).flatmap(
    lambda drawn: st.tuples(
        *(
            st.builds(
                lambda parts, name, domains: {"name": name, "domains": domains, **parts},
                st.just(parts),
                mostly(name, "a", "reference"),
                mostly([name], [], ["a"], [name, name], ["a", "other"]),
            )
            for name, parts in zip("abc", drawn, strict=False)
        )
    ).map(list)
)
TASK = {"benchmark": "math", "data": "data/heldout.jsonl"}
specs = st.builds(
    lambda parts, more: {"student": {"model": "models/start"}} | parts | more,
    st.fixed_dictionaries(
        {
            "teachers": several_teachers,
            "data": mostly({"train": "t", "maxPromptTokens": 64, "maxResponseTokens": 32}, {"train": "t.parquet"}),
            "optimization": mostly({"steps": 3}, {}, {"steps": 3, "warmupSteps": 3}, {"steps": 1, "epochs": 1})
            | st.just({"epochs": 1, "batchSize": 2, "microBatchSize": 3}),
            "evaluation": mostly({"tasks": [TASK]}, {}, {"tasks": [TASK, TASK]}, {"at": ["checkpoints"]}),
        }
    ),
    sometimes(
        objective=sometimes(rewardScale=scales, reference=models),
        sampling=mostly({"topP": 1}, {"temperature": 0.7}, {"topP": 0.9}),
        compute=mostly({"accelerator": "cpu"}, {"accelerator": "cpu", "nodes": 2}, {"nodes": 2}),
        sweep=sometimes(rewardScale=st.lists(scales, max_size=3), seed=mostly([1, 2], [1, 1], [])),
        overrides=mostly(
            {"data.shuffle": "true"}, {"trainer.nnodes": 1}, {"+a.b": 1}, {"actor_rollout_ref.model.lora": 1}
        ),
        lifecycle=mostly({}, {"backoff": {"initialSeconds": 90, "maxSeconds": 60}}, {"backoff": {"maxSeconds": 30}}),
    ),
)


def document(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "gopd.io/v1alpha1", "kind": "DistillationJob", "metadata": {"name": "job"}, "spec": spec}


def faults_in_python(spec: dict[str, Any]) -> list[str]:
    try:
        parse(document(spec))
    except InvalidSpec as error:
        return [fault.field for fault in error.faults if fault.field not in ONLY_IN_PYTHON]
    return []


@given(spec=specs)
@settings(max_examples=150)
def test_python_and_the_api_server_refuse_the_same_objects(api_server: Any, spec: dict[str, Any]) -> None:
    found = api_server.create(document(spec))
    assert bool(faults_in_python(spec)) == bool(found), found


tasks = st.builds(
    lambda benchmark, more: {"benchmark": benchmark} | more,
    st.sampled_from(sorted(BENCHMARKS)) | st.sampled_from(["math", "livecodebench"]),
    sometimes(
        data=st.just("d.jsonl"),
        release=st.sampled_from(["v6", "release_v6"]),
        since=st.sampled_from(["2025-01-31", "2025-02-01"]),
        until=st.sampled_from(["2025-01-31", "2025-02-01", "31.1.2025"]),
        teacher=st.just("models/t"),
    ),
)


@given(task=tasks)
@settings(max_examples=300)
def test_python_and_the_api_server_refuse_the_same_tasks(api_server: Any, task: dict[str, Any]) -> None:
    spec = {"subjects": [{"name": "a", "model": "models/a"}], "tasks": [task]}
    evaluation = {**document(spec), "kind": "EvalJob"}
    try:
        parse(evaluation)
        faults = []
    except InvalidSpec as error:
        faults = list(error.faults)
    found = api_server.create(evaluation)
    assert bool(faults) == bool(found), found


references = st.builds(
    lambda spec, parts: {**spec, **parts},
    st.builds(
        lambda drawn: {
            "student": {"model": "models/start"},
            "teachers": [{"name": name, "domains": [name], **t} for name, t in zip("abc", drawn, strict=False)],
            "data": {"train": "t"},
            "optimization": {"steps": 3},
            "evaluation": {"tasks": [TASK]},
            "compute": {"accelerator": "cpu"},
        },
        st.lists(
            st.builds(
                lambda model, more: {"model": model, **more}, models, sometimes(rewardScale=scales, reference=models)
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    sometimes(
        objective=sometimes(rewardScale=scales, reference=models),
        sweep=st.fixed_dictionaries({"rewardScale": st.lists(scales, max_size=2, unique=True), "seed": st.just([1])}),
    ),
)


@given(spec=references)
@settings(max_examples=150)
def test_python_and_the_api_server_agree_on_which_references_are_used(api_server: Any, spec: dict[str, Any]) -> None:
    found = api_server.create(document(spec))
    assert bool(faults_in_python(spec)) == bool(found), found


@given(spec=specs)
@settings(max_examples=100)
def test_a_valid_object_is_read_again_unchanged(spec: dict[str, Any]) -> None:
    try:
        job = parse(document(spec))
    except InvalidSpec:
        return
    assert DistillationJob.model_validate_json(job.to_json()) == job
    assert parse(job.model_dump(by_alias=True, exclude_none=True, mode="json")) == job


@pytest.mark.parametrize("owned", OWNED_OPTIONS, ids=lambda owned: owned.option)
def test_an_owned_option_is_found_with_all_below_it_and_names_its_remedy(owned: Any) -> None:
    key = owned.option.replace("*", "_x")
    assert owner_of(key) == owned
    below = owner_of(key + ".inner")
    assert below is not None
    assert below.instead


OF_THE_PUBLISHED_CODE = {
    "actor_rollout_ref.model.base_model_path",
    "actor_rollout_ref.ref.model.base_model_path",
    "actor_rollout_ref.actor.lambda_vals",
    "actor_rollout_ref.actor.only_reverse_kl_advantages",
    "actor_rollout_ref.actor.multi_teacher_distill",
    "algorithm.use_ref_solution*",
    "algorithm.critique*",
}
NOT_IN_VERLS_GENERATED_FILE = {"model_engine", "gopd"}


def names_in(tree: Any, path: str = "") -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for name, inner in tree.items():
            yield from names_in(inner, f"{path}.{name}" if path else name)
    else:
        yield path


def test_every_owned_option_is_one_that_verl_or_the_published_code_has() -> None:
    found = importlib.util.find_spec("verl")
    assert found is not None
    assert found.submodule_search_locations is not None
    (folder,) = found.submodule_search_locations
    whole = yaml.safe_load(Path(folder, "trainer", "config", "_generated_ppo_trainer.yaml").read_text())
    names = list(names_in(whole))
    assert len(names) > 500
    unknown = {
        owned.option
        for owned in OWNED_OPTIONS
        if not any(re.match(rf"(?:{owned.pattern()})(?:\.|$)", name) for name in names)
    }
    assert unknown == OF_THE_PUBLISHED_CODE | NOT_IN_VERLS_GENERATED_FILE


@pytest.mark.parametrize(
    "key",
    [
        "actor_rollout_ref.rollout.gpu_memory_utilization",
        "actor_rollout_ref.rollout.n_more",
        "actor_rollout_ref.model.use_remove_padding",
        "data.shuffle",
        "trainer.balance_batch",
        "distillations.x",
    ],
)
def test_other_options_are_free(key: str) -> None:
    assert owner_of(key) is None


def train_request(spec: dict[str, Any], scale: float = 1.25) -> TrainRequest:
    teacher = ScoredTeacher(
        name="a",
        model="models/a",
        domains=[],
        reward_scale=scale,
        reference=None if scale == 1 else "models/start",
        dtype="float32",
        tensor_parallel=1,
        replicas=1,
    )
    parts = {name: spec.get(name, {}) for name in ("data", "optimization")}
    return TrainRequest.model_validate(
        {
            "job": JobIdentity(namespace="default", name="job", uid="u"),
            "attempt": 1,
            "student": {"model": "models/start"},
            "teachers": [teacher],
            "importance": {},
            "aggregation": "token-mean",
            "estimator": "sampled-token",
            "sampling": {},
            "checkpoints": {},
            "accelerator": "cpu",
            "pools": Pools(trainer_gpus_per_node=1, trainer_nodes=1, teacher_gpus_per_node=2, teacher_nodes=1),
            "paths": TrainPaths(checkpoints="/c", exports="/e", progress="/p", report="/r", scratch="/s"),
            "tracking": TrackingRequest(uri=None, experiment="gopd", run_name="job"),
            "limits": TrainLimits(stall_after_seconds=60),
            **parts,
        }
    )


@given(
    optimization=sometimes(
        learningRate=st.floats(1e-12, 1.0), batchSize=st.integers(1, 65536), seed=st.integers(0, 2147483647)
    ),
    prompt_field=st.text(min_size=1, max_size=256),
    scale=scales,
)
def test_a_train_request_is_read_again_unchanged_under_the_same_digest(
    optimization: dict[str, Any], prompt_field: str, scale: float
) -> None:
    request = train_request(
        {"data": {"train": "/t", "promptField": prompt_field}, "optimization": {"steps": 1, **optimization}}, scale
    )
    again = TrainRequest.read(request.to_json())
    assert again == request
    assert again.digest() == request.digest()
    changed = request.model_copy(update={"aggregation": "sequence-mean"})
    assert changed.digest() != request.digest()


@pytest.mark.parametrize("kind", [TrainRequest, EvalRequest])
def test_a_request_of_an_unknown_version_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"gopd\.io/"):
        kind.read('{"version": "gopd.io/other/v9"}')
