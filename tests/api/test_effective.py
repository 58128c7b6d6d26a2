"""What a spec comes to: reward scales, references, servers and the sharing of GPUs."""

from typing import Any

import pytest

from gopd_api import effective
from gopd_api.objects import DistillationJobSpec

SIXTEEN = {"compute": {"gpusPerNode": 16}}


def spec_with(*teachers: dict[str, Any], **parts: Any) -> DistillationJobSpec:
    named = [{"name": name, "model": f"models/{name}", **t} for name, t in zip("abc", teachers, strict=False)]
    if len(named) > 1:
        named = [{"domains": [teacher["name"]], **teacher} for teacher in named]
    base = {
        "student": {"model": "models/start"},
        "teachers": named,
        "data": {"train": "data/train.jsonl"},
        "optimization": {"steps": 1, "batchSize": 5040},
    }
    return DistillationJobSpec.model_validate(base | parts)


def gpus(spec: DistillationJobSpec) -> tuple[int, int, int, int]:
    pool = effective.pools(spec)
    return pool.trainer_gpus_per_node, pool.trainer_nodes, pool.teacher_gpus_per_node, pool.teacher_nodes


def test_a_teachers_own_reward_scale_comes_before_the_objectives() -> None:
    spec = spec_with({"rewardScale": 0.5}, {}, objective={"rewardScale": 1.5})
    assert [effective.effective_reward_scale(spec, teacher) for teacher in spec.teachers] == [0.5, 1.5]


def test_the_reference_is_the_teachers_own_then_the_objectives_then_the_students_start() -> None:
    assert [
        effective.effective_reference(spec, spec.teachers[0])
        for spec in (
            spec_with({"reference": "models/own"}),
            spec_with({}, objective={"reference": "models/shared"}),
            spec_with({}),
        )
    ] == ["models/own", "models/shared", "models/start"]


def test_at_reward_scale_1_there_is_no_reference() -> None:
    spec = spec_with({}, objective={"rewardScale": 1})
    assert effective.effective_reference(spec, spec.teachers[0]) is None
    assert [server.name for server in effective.needed_servers(spec)] == ["a"]
    assert effective.scored_teachers(spec)[0].reference is None


def test_teachers_share_a_reference_server_as_big_as_the_biggest_of_them_needs() -> None:
    spec = spec_with(
        {"replicas": 2}, {"tensorParallel": 2, "replicas": 2}, {"rewardScale": 1, "replicas": 3}, **SIXTEEN
    )
    servers = {server.name: server for server in effective.needed_servers(spec)}
    assert set(servers) == {"a", "b", "c", "a:reference"}
    shared = servers["a:reference"]
    assert (shared.model, shared.tensor_parallel, shared.replicas) == ("models/start", 2, 2)
    assert shared.teachers == ("a", "b")


def test_references_of_different_models_or_precision_have_servers_of_their_own() -> None:
    spec = spec_with({}, {"dtype": "float32"}, {"reference": "models/a"})
    references = [server for server in effective.needed_servers(spec) if server.role == "reference"]
    assert {(s.model, s.dtype, s.teachers) for s in references} == {
        ("models/start", "bfloat16", ("a",)),
        ("models/start", "float32", ("b",)),
        ("models/a", "bfloat16", ("c",)),
    }


def test_on_a_cpu_all_is_float32_and_every_model_has_one_place() -> None:
    spec = spec_with({}, {"dtype": "float32"}, compute={"accelerator": "cpu"})
    assert [server.name for server in effective.needed_servers(spec)] == ["a", "b", "a:reference"]
    assert gpus(spec) == (1, 1, 3, 1)


def test_on_one_node_the_trainer_has_what_the_servers_leave() -> None:
    assert gpus(spec_with({"replicas": 2})) == (4, 1, 4, 1)
    assert gpus(spec_with({"replicas": 2}, objective={"rewardScale": 1})) == (6, 1, 2, 1)


def test_on_several_nodes_servers_fill_whole_nodes() -> None:
    assert gpus(spec_with({"tensorParallel": 4}, compute={"nodes": 3})) == (8, 2, 8, 1)


def test_a_sweep_needs_what_its_most_demanding_job_needs() -> None:
    tasks = {"tasks": [{"benchmark": "math", "data": "data/heldout.jsonl"}]}
    spec = spec_with({}, objective={"rewardScale": 1}, evaluation=tasks, sweep={"rewardScale": [1, 1.25]})
    assert [server.name for server in effective.needed_servers(spec)] == ["a", "a:reference"]
    only_one = spec_with({}, evaluation=tasks, sweep={"rewardScale": [1.0], "seed": [1, 2]})
    assert [server.name for server in effective.needed_servers(only_one)] == ["a"]


@pytest.mark.parametrize(("widths", "across"), [((4, 2, 2), None), ((6, 6), 6), ((3, 3, 2), None), ((5, 2, 2), 2)])
def test_a_replica_across_two_nodes_is_found(widths: tuple[int, ...], across: int | None) -> None:
    servers = [effective.Server("teacher", "m", "bfloat16", width, 1, (f"t{i}",)) for i, width in enumerate(widths)]
    found = effective.replica_across_nodes(servers, 8)
    assert (found.tensor_parallel if found else None) == across


def test_texts_of_overrides_become_what_verls_command_line_reads() -> None:
    written = {
        "a": "true",
        "b": "False",
        "c": "0.5",
        "d": "1e-3",
        "e": "7",
        "f": 7,
        "g": "spread",
        "h": "1.2.3",
        "i": "-.5",
    }
    values = effective.option_values(spec_with({"replicas": 2}, overrides=written))
    assert values == {
        "a": True,
        "b": False,
        "c": 0.5,
        "d": 1e-3,
        "e": 7,
        "f": 7,
        "g": "spread",
        "h": "1.2.3",
        "i": -0.5,
    }
    assert [type(values[name]) for name in "abcdefgh"] == [bool, bool, float, float, int, int, str, str]
