"""Parameter counts and key-value bytes from configurations, against what the models' owners publish."""

from typing import Any

import pytest

from gopd_api.endings import compact
from gopd_api.inspection import Inspection, ModelFacts
from gopd_operator.core.known_models import KNOWN_CONFIGS, assumed_facts
from gopd_operator.core.model_size import UnknownSize, facts_of

PUBLISHED = {
    # Model cards of the Qwen3 collection and its technical report (arXiv 2505.09388, tables 1 and 2).
    "Qwen/Qwen3-0.6B": 0.596e9,
    "Qwen/Qwen3-1.7B": 1.72e9,
    "Qwen/Qwen3-4B": 4.02e9,
    "Qwen/Qwen3-8B": 8.19e9,
    "Qwen/Qwen3-14B": 14.8e9,
    "Qwen/Qwen3-32B": 32.8e9,
    "Qwen/Qwen3-30B-A3B": 30.5e9,
    # Model card: "7.61B (6.53B non-embedding)".
    "Qwen/Qwen2.5-7B": 7.61e9,
    # The Hub's count of the safetensors files.
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496,
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
}


def test_every_known_model_has_a_published_count() -> None:
    assert set(KNOWN_CONFIGS) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_count_is_the_published_one_within_a_hundredth(name: str) -> None:
    assert facts_of(KNOWN_CONFIGS[name]).parameters == pytest.approx(PUBLISHED[name], rel=0.01)


@pytest.mark.parametrize(
    ("name", "parameters"), [(name, count) for name, count in PUBLISHED.items() if isinstance(count, int)]
)
def test_where_the_exact_count_is_published_it_is_met_exactly(name: str, parameters: int) -> None:
    assert facts_of(KNOWN_CONFIGS[name]).parameters == parameters


@pytest.mark.parametrize(
    ("name", "billions"),
    [("Qwen/Qwen3-0.6B", 0.44), ("Qwen/Qwen3-4B", 3.6), ("Qwen/Qwen3-8B", 6.95), ("Qwen/Qwen3-14B", 13.2),
     ("Qwen/Qwen3-32B", 31.2), ("Qwen/Qwen3-30B-A3B", 29.9), ("Qwen/Qwen2.5-7B", 6.53)],
)  # fmt: skip
def test_without_embeddings_the_count_is_that_of_the_model_card(name: str, billions: float) -> None:
    facts = facts_of(KNOWN_CONFIGS[name])
    embeddings = facts.vocabulary * facts.hidden * (1 if facts.tied else 2)
    assert (facts.parameters - embeddings) / 1e9 == pytest.approx(billions, rel=0.01)


def test_a_token_of_a_mixture_of_experts_goes_through_the_active_parameters_of_the_model_card() -> None:
    facts = facts_of(KNOWN_CONFIGS["Qwen/Qwen3-30B-A3B"])
    assert facts.active is not None
    assert facts.active == pytest.approx(3.3e9, rel=0.02)
    assert (facts.experts, facts.experts_per_token) == (128, 8)


def test_a_token_of_llama_3_1_8b_takes_128_kib_of_cache() -> None:
    assert facts_of(KNOWN_CONFIGS["meta-llama/Llama-3.1-8B"]).kv_bytes_per_token == 128 * 1024


def test_biases_are_counted_where_the_architecture_or_the_configuration_has_them() -> None:
    seven, eight = KNOWN_CONFIGS["Qwen/Qwen2.5-7B"], KNOWN_CONFIGS["meta-llama/Llama-3.1-8B"]
    without = facts_of(seven | {"model_type": "llama"}).parameters
    assert facts_of(seven).parameters - without == 28 * (3584 + 2 * 4 * 128)
    biased = facts_of(eight | {"attention_bias": True}).parameters
    assert biased - facts_of(eight).parameters == 32 * (4096 + 2 * 8 * 128 + 4096)


def test_layers_without_experts_are_counted_as_dense() -> None:
    sparse = KNOWN_CONFIGS["Qwen/Qwen3-30B-A3B"]
    every, second = facts_of(sparse), facts_of(sparse | {"decoder_sparse_step": 2})
    experts = 128 * 3 * 2048 * 768 + 2048 * 128
    assert every.parameters - second.parameters == 24 * (experts - 3 * 2048 * 6144)
    assert facts_of(sparse | {"mlp_only_layers": [0]}).parameters == every.parameters - experts + 3 * 2048 * 6144


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"model_type": "mamba2"}, "model_type 'mamba2'"),
        ({"model_type": None}, "model_type None"),
        ({"hidden_size": None}, "no hidden_size"),
        ({"vocab_size": "many"}, "no vocab_size"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
    ],
)
def test_what_is_not_known_is_said(change: dict[str, Any], missing: str) -> None:
    with pytest.raises(UnknownSize, match=missing):
        facts_of(KNOWN_CONFIGS["Qwen/Qwen3-4B"] | change)


@pytest.mark.parametrize(
    ("model", "repository"),
    [
        ("models/Qwen3-4B-Non-Thinking-RL-Math-Step500", "Qwen/Qwen3-4B"),
        ("/gopd/models/qwen3-4b/", "Qwen/Qwen3-4B"),
        (f"hf://Qwen/Qwen3-30B-A3B@{'0' * 40}", "Qwen/Qwen3-30B-A3B"),
        ("models/smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M"),
    ],
)
def test_a_model_is_taken_for_the_one_whose_name_it_starts_with(model: str, repository: str) -> None:
    found = assumed_facts(model)
    assert found is not None
    assert found == (repository, facts_of(KNOWN_CONFIGS[repository]))


@pytest.mark.parametrize("model", ["models/Qwen3-4B-AWQ", "models/Qwen3-40B", "models/sort-base", "models/my-Qwen3-4B"])
def test_other_names_are_not_guessed(model: str) -> None:
    assert assumed_facts(model) is None


def many(count: int, stem: str) -> dict[str, ModelFacts]:
    facts = facts_of(KNOWN_CONFIGS["Qwen/Qwen3-32B"], disk_bytes=65_524_246_528)
    return {f"{stem}{number:02d}": facts for number in range(count)}


def test_an_inspection_of_twenty_models_fits_a_termination_message() -> None:
    models = many(20, "models/a-teacher-")
    found = Inspection.fitting([], 103_000, models, ["a note"])
    assert len(compact(found).encode()) <= 4096
    assert {name: facts.parameters for name, facts in found.models.items()} == dict.fromkeys(models, 32_762_123_264)


def test_faults_go_before_models_and_what_is_left_out_is_counted() -> None:
    found = Inspection.fitting([f"spec.field{n}: " + "x" * 800 for n in range(12)], None, many(9, "models/m"))
    assert found.outcome == "refused"
    assert len(compact(found).encode()) <= 4096
    assert (len(found.faults), found.left_out) == (4, 8)
    assert 0 < len(found.models) < 9
