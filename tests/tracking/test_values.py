"""Names, texts and notes in the form that MLflow takes, checked against MLflow's own validation."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

from gopd_tracking import values


@given(st.text(max_size=300))
def test_a_name_that_is_taken_is_a_name_that_mlflow_takes(text: str) -> None:
    try:
        clean = values.name(text)
    except ValueError:
        return
    _validate_metric_name(clean)
    _validate_param_name(clean)
    assert values.name(clean) == clean


def test_avg_at_32_keeps_its_meaning_in_the_name() -> None:
    assert values.name("eval/aime24/avg@32") == "eval/aime24/avg_at_32"


def test_a_name_of_251_characters_is_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match="251 characters, MLflow takes 250"):
        values.name("x" * 251)


def test_one_value_that_is_no_number_does_not_take_the_others_with_it() -> None:
    taken, refused = values.numbers({"a": 1, "b": "fast", "c": math.nan, "d": True, "e": None, "a@b": 1, "a_at_b": 2})
    assert taken.keys() == {"a", "c", "d", "a_at_b"}
    assert math.isnan(taken["c"])
    assert refused.keys() == {"b", "e", "a_at_b"}


def test_nested_parameters_are_named_as_the_user_wrote_them() -> None:
    spec = {"objective": {"rewardScale": 1.25}, "teachers": [{"name": "math"}], "stop": ["a", "b"], "overrides": {}}
    assert values.flatten(spec) == {
        "objective.rewardScale": "1.25",
        "teachers.0.name": "math",
        "stop": '["a", "b"]',
        "overrides": "{}",
    }


def test_a_note_stays_under_8000_characters_and_counts_what_it_dropped() -> None:
    note = values.merged_note(None, {f"key{number}": "x" * 500 for number in range(30)})
    note = values.merged_note(note, {"late": "y" * 500})
    facts = json.loads(note)
    assert len(note) <= values.TAG_LIMIT
    assert len(facts) - 1 + facts[values.MORE] == 31


def test_batches_keep_order_and_both_limits() -> None:
    got = list(values.batches(range(25), 10, lambda number: 500_000 if number == 12 else 1))
    assert [number for batch in got for number in batch] == list(range(25))
    assert max(len(batch) for batch in got) == 10
    heavy = list(values.batches([1, 2, 3], 100, lambda _: 500_000))
    assert heavy == [[1], [2], [3]]
