"""GPU memory, refusals, status and the plan on the screen: that they follow the spec and move as they must."""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.planned_specs import FACTS, OPD, QWEN_4B, row, spec
from tests.operator.workplace import Workplace

from gopd_api.inspection import ModelFacts
from gopd_api.load import load_text
from gopd_api.status import DistillationJobStatus
from gopd_operator.core.cost import drawing_seconds
from gopd_operator.core.engine_settings import SCORING_SHARE, SCORING_TOKENS, EngineSettings
from gopd_operator.core.identity import local_uid
from gopd_operator.core.known_models import KNOWN_CONFIGS
from gopd_operator.core.memory import ENTROPY_TOKENS, GIB
from gopd_operator.core.memory_plan import memory_plan, plan_status, refusal

REPOSITORY = Path(__file__).resolve().parents[2]

# What the estimate follows.


def test_the_constants_are_those_that_the_trainer_sets() -> None:
    lines = (REPOSITORY / "tests" / "golden" / "options" / "exopd.txt").read_text().splitlines()
    options = {name: json.loads(value) for name, _, value in (line.partition("=") for line in lines)}
    server = "distillation.teacher_models.server0.inference"
    settings = EngineSettings.of(spec())
    assert options[f"{server}.gpu_memory_utilization"] == SCORING_SHARE
    assert options[f"{server}.max_num_batched_tokens"] == SCORING_TOKENS
    assert options["actor_rollout_ref.rollout.gpu_memory_utilization"] == settings.rollout_share
    assert options["actor_rollout_ref.rollout.tensor_model_parallel_size"] == settings.rollout_parallel
    assert options["actor_rollout_ref.model.enable_gradient_checkpointing"] is settings.checkpointing
    assert options["actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu"] == settings.micro_batch
    assert "actor_rollout_ref.actor.fsdp_config.param_offload" not in options and not settings.offload_weights


def test_the_constants_that_verl_sets_are_verls() -> None:
    verl = find_spec("verl")  # importing it takes half a minute
    assert verl is not None and verl.submodule_search_locations
    folder = Path(verl.submodule_search_locations[0]) / "trainer" / "config"
    engine = yaml.safe_load((folder / "engine" / "fsdp.yaml").read_text())
    assert engine["entropy_from_logits_chunk_size"] == ENTROPY_TOKENS
    assert (engine["param_offload"], engine["optimizer_offload"], engine["offload_policy"]) == (False, False, False)
    assert (engine["fsdp_size"], engine["ulysses_sequence_parallel_size"]) == (-1, 1)
    assert yaml.safe_load((folder / "rollout" / "rollout.yaml").read_text())["free_cache_engine"] is True


def test_more_micro_batches_take_more_and_more_gpus_take_less() -> None:
    one, four = spec(), spec(optimization={"batchSize": 1024, "steps": 50, "microBatchSize": 4})
    assert row(four, "student", "update").needed > row(one, "student", "update").needed
    wider = spec(compute={"gpusPerNode": 12})
    assert row(wider, "student", "update").needed < row(one, "student", "update").needed
    half = spec(masterDtype="bfloat16")
    assert (
        row(half, "student", "update").moment.parts["moments"] * 2
        == (row(one, "student", "update").moment.parts["moments"])
    )


def test_verls_offload_helps_answers_and_not_the_update_while_fsdps_own_helps_both() -> None:
    fsdp = "actor_rollout_ref.actor.fsdp_config"
    plain = spec()
    verls = spec(overrides={f"{fsdp}.param_offload": "true", f"{fsdp}.optimizer_offload": "true"})
    own = spec(overrides={f"{fsdp}.offload_policy": "true"})
    assert row(verls, "student", "update").needed == row(plain, "student", "update").needed
    assert row(verls, "student", "answers").needed < row(plain, "student", "answers").needed
    weights = spec(overrides={f"{fsdp}.param_offload": "true"})
    left = row(weights, "student", "answers").moment.parts
    assert left["weights"] == 0 < left["moments"]
    assert row(own, "student", "update").needed < row(plain, "student", "update").needed
    assert row(own, "student", "answers").needed < row(plain, "student", "answers").needed


def test_other_overrides_are_followed() -> None:
    plain = spec()
    split = spec(overrides={"actor_rollout_ref.actor.fsdp_config.ulysses_sequence_parallel_size": 2})
    assert (
        row(split, "student", "update").moment.parts["logits"] < row(plain, "student", "update").moment.parts["logits"]
    )
    eager = spec(overrides={"actor_rollout_ref.actor.use_torch_compile": "false"})
    assert (
        row(eager, "student", "update").moment.parts["logits"] > row(plain, "student", "update").moment.parts["logits"]
    )
    less = spec(overrides={"actor_rollout_ref.rollout.gpu_memory_utilization": "0.4"})
    assert row(plain, "student", "answers").needed - row(less, "student", "answers").needed == pytest.approx(16 * GIB)
    awake = spec(overrides={"actor_rollout_ref.rollout.free_cache_engine": "false"})
    assert row(awake, "student", "update").moment.parts["rollout"] == int(0.6 * 80 * GIB)


# Refusals.


def test_the_published_setting_fits_and_is_not_refused() -> None:
    assert {one.verdict for one in memory_plan(spec(), FACTS).rows} == {"fits"}
    assert refusal(spec(), FACTS) is None


def test_a_teacher_that_no_gpu_holds_is_refused_with_the_width_that_it_needs() -> None:
    planned = spec(**OPD)
    assert refusal(planned, FACTS) == (
        "70b as wise (scoring): vLLM has 64.0 GiB of a GPU and needs 138.0 for weights and one longest answer; "
        "set teachers[].tensorParallel of wise to 4"
    )
    wide = [{"name": "wise", "model": "70b", "tensorParallel": 4}]
    assert refusal(spec("4b", objective={"rewardScale": 1.0}, teachers=wide), FACTS) is None


def test_a_student_whose_states_do_not_fit_is_refused_with_more_gpus() -> None:
    why = refusal(spec("32b"), FACTS)
    assert why is not None and why.startswith("32b as student (update): needs ")
    assert "raise compute.gpusPerNode or compute.nodes" in why
    assert "offload_policy" in why


def test_answers_that_are_too_long_at_once_are_refused_with_what_to_lower() -> None:
    why = refusal(spec(optimization={"batchSize": 1024, "steps": 1, "microBatchSize": 8}), FACTS)
    assert why is not None and "lower optimization.microBatchSize" in why
    long = {"train": "t.jsonl", "maxPromptTokens": 2048, "maxResponseTokens": 120000}
    why = refusal(spec(data=long), FACTS)
    assert why is not None and "lower data.maxResponseTokens, or set overrides" in why


def test_smaller_gpus_are_measured_against() -> None:
    assert refusal(spec(compute={"gpuMemoryGiB": 24}), FACTS) is not None
    assert row(spec(compute={"gpuMemoryGiB": 141}), "student", "update").limit == 141 * GIB


def test_above_nine_tenths_is_tight_and_not_refused() -> None:
    needed = row(spec(), "student", "update").needed
    tight = spec(compute={"gpuMemoryGiB": int(needed / GIB) + 2})
    assert row(tight, "student", "update").verdict == "tight"


def test_what_only_some_versions_need_is_said_and_not_refused() -> None:
    needed, uncertain = row(spec(), "student", "update").needed, row(spec(), "student", "update").moment.uncertain
    between = spec(compute={"gpuMemoryGiB": int((needed - uncertain / 2) / GIB)})
    assert row(between, "student", "update").verdict == "may not fit"
    update_only = [one for one in plan_status(between, FACTS, None).memory if one.role == "student"]
    assert [one.fits for one in update_only] == [False]
    assert "(update)" not in (refusal(between, FACTS) or "")


def test_models_that_are_not_known_refuse_nothing_and_are_named() -> None:
    found = memory_plan(spec("secret", **OPD), {})
    assert (found.rows, found.unknown) == ((), ("secret", "70b"))
    assert refusal(spec("secret", **OPD), {}) is None


# Status.


def test_the_status_has_one_row_a_role_and_a_range_of_hours() -> None:
    status = plan_status(spec(), FACTS, None)
    assert [(one.role, one.gpus, one.fits, one.limit_gib) for one in status.memory] == [
        ("student", 4, True, 80),
        ("wise", 2, True, 80),
        ("wise:reference", 2, True, 80),
    ]
    assert (status.gpus, status.total_steps, status.tokens) == (8, 50, 50 * 1024 * 18432)
    assert status.gpu_hours is not None and 0 < status.gpu_hours.low < status.gpu_hours.high
    written = json.loads(DistillationJobStatus(plan=status).model_dump_json(by_alias=True))["plan"]
    assert set(written["memory"][0]) == {"role", "gpus", "gibPerGpu", "limitGib", "fits"}


def test_epochs_give_steps_and_hours_once_prompts_are_known() -> None:
    planned = spec(optimization={"batchSize": 1024, "epochs": 3})
    assert (plan_status(planned, FACTS, None).tokens, plan_status(planned, FACTS, None).gpu_hours) == (None, None)
    status = plan_status(planned, FACTS, 2 * 1024 + 5)
    assert status.total_steps == 6 and status.gpu_hours is not None


def test_a_sweep_takes_the_hours_of_all_its_jobs() -> None:
    one, swept = plan_status(spec(), FACTS, None), plan_status(
        spec(sweep={"seed": [1, 2, 3]}, evaluation={"tasks": [{"benchmark": "math", "data": "d.jsonl"}]}), FACTS, None
    )  # fmt: skip
    assert one.tokens is not None and swept.tokens == 3 * one.tokens
    assert one.gpu_hours is not None and swept.gpu_hours is not None
    assert swept.gpu_hours.high == pytest.approx(3 * one.gpu_hours.high, abs=0.2)


def test_on_processors_nothing_is_booked_and_nothing_is_refused() -> None:
    teachers = [{"name": "wise", "model": "70b"}]
    planned = spec(teachers=teachers, compute={"accelerator": "cpu"})
    status = plan_status(planned, FACTS, None)
    assert (status.gpus, status.memory, status.gpu_hours, refusal(planned, FACTS)) == (0, [], None, None)


def test_drawing_is_slower_for_longer_answers_and_where_fewer_fit_the_cache() -> None:
    def seconds(response: float, cache: int) -> float:
        return drawing_seconds(QWEN_4B, 256, 1024, response, cache, 1e12)

    assert seconds(8192, 40 * GIB) > 2 * seconds(4096, 40 * GIB)
    assert seconds(4096, 10 * GIB) > seconds(4096, 40 * GIB)


def test_memory_to_measure_against_is_not_what_a_job_is() -> None:
    text = (REPOSITORY / "examples" / "exopd.yaml").read_text()
    jobs = [load_text(text)[0], load_text(text.replace("nodes: 1", "nodes: 1\n    gpuMemoryGiB: 141"))[0]]
    assert [job.spec.compute.gpu_memory_gib for job in jobs] == [80, 141]
    assert local_uid(jobs[0]) == local_uid(jobs[1])


# The command.


def plan_of(place: Workplace, output: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    place.write(place.spec(**changes))
    return place.gopd("plan", str(place.spec_file), "--workdir", str(place.root), "-o", output)


def test_gopd_plan_shows_memory_from_the_configurations_that_are_there(place: Workplace) -> None:
    for name in ("student", "teacher"):
        (place.root / "models" / name / "config.json").write_text(json.dumps(KNOWN_CONFIGS["Qwen/Qwen3-0.6B"]))
    result = plan_of(place, "json", compute={"gpusPerNode": 4})
    assert (result.returncode, result.stderr) == (0, "")
    needs = json.loads(result.stdout)["needs"]
    assert (needs["refusal"], needs["notes"], needs["gpuMemoryGiB"]) == (None, [], 80)
    assert [(one["role"], one["moment"]) for one in needs["memory"]] == [
        ("student", "update"), ("student", "answers"), ("wise", "scoring"), ("wise:reference", "scoring")
    ]  # fmt: skip


def test_gopd_plan_of_an_example_without_models_assumes_public_sizes_and_says_so(place: Workplace) -> None:
    example = REPOSITORY / "examples" / "exopd.yaml"
    result = place.gopd("plan", str(example), "--workdir", str(place.root))
    assert result.returncode == 0
    assert "memory of each GPU at its fullest (estimate, of 80 GiB):" in result.stdout
    assert "GPU-hours: " in result.stdout
    assert "models/Qwen3-4B: no config.json at hand (`hf download ORG/NAME config.json --local-dir " in result.stdout
    assert "assumed to be as large as Qwen/Qwen3-4B" in result.stdout


def test_gopd_plan_says_what_does_not_fit_and_what_to_change(place: Workplace) -> None:
    text = (
        (REPOSITORY / "examples" / "exopd.yaml")
        .read_text()
        .replace("gpusPerNode: 8", "gpusPerNode: 8\n    gpuMemoryGiB: 24")
    )
    place.spec_file.write_text(text)
    result = place.gopd("plan", str(place.spec_file), "--workdir", str(place.root))
    assert result.returncode == 0
    assert "does not fit: models/Qwen3-4B as student (update): needs " in result.stdout


def test_gopd_plan_names_the_command_that_makes_a_model_which_is_not_there_yet(place: Workplace) -> None:
    shutil.rmtree(place.root / "models" / "student")
    needs = json.loads(plan_of(place, "json", compute={"gpusPerNode": 4}).stdout)["needs"]
    assert needs["notes"][0] == (
        "models/student: no config.json at hand (`python make_inputs.py` makes it); its memory is not planned"
    )


def test_a_plan_on_processors_has_no_needs(place: Workplace) -> None:
    assert "needs" not in json.loads(plan_of(place, "json").stdout)


def test_facts_of_a_model_travel_through_an_inspection() -> None:
    assert ModelFacts.model_validate_json(QWEN_4B.model_dump_json(by_alias=True)) == QWEN_4B
