"""`gopd inspect` as a pod runs it: a storage root, a request, and last words of at most 4096 bytes."""

import json
from typing import Any

import pytest
from tests.operator.workplace import Workplace

from gopd_api.endings import TERMINATION_BYTES
from gopd_api.inspection import Inspection
from gopd_operator.core.known_models import KNOWN_CONFIGS
from gopd_operator.core.model_size import facts_of
from gopd_operator.shell import model_facts
from gopd_operator.shell.model_facts import NotAtHand, sizes_found

REVISION = "0123456789abcdef0123456789abcdef01234567"
CONFIG = KNOWN_CONFIGS["Qwen/Qwen3-0.6B"]


def configured(place: Workplace, *names: str) -> None:
    """Give the folders a real model's configuration."""
    for name in names:
        (place.root / "models" / name / "config.json").write_text(json.dumps(CONFIG))


def inspected(place: Workplace, **changes: Any) -> tuple[int, Inspection, str]:
    """Exit code, answer and summary of the command on a spec with these changes, as a request of JSON."""
    place.spec_file.with_suffix(".json").write_text(json.dumps(place.spec(**changes)))
    summary = place.root.parent / "last-words"
    result = place.gopd(
        "inspect", str(place.spec_file.with_suffix(".json")), "--root", str(place.root), "--summary", str(summary)
    )
    assert result.stderr == ""
    return result.returncode, Inspection.model_validate_json(result.stdout), summary.read_text()


def test_inputs_that_can_be_used_pass_with_prompts_and_sizes(place: Workplace) -> None:
    configured(place, "student", "teacher")
    code, found, summary = inspected(place, compute={"gpusPerNode": 4})
    assert (code, found.outcome, found.faults, found.prompts) == (0, "passed", [], 4)
    facts = facts_of(CONFIG)
    assert {name: one.parameters for name, one in found.models.items()} == {
        "models/student": facts.parameters,
        "models/teacher": facts.parameters,
    }
    assert found.models["models/student"].disk_bytes == (
        (place.root / "models" / "student" / "model.safetensors").stat().st_size
    )
    assert Inspection.model_validate_json(summary) == found and "\n" not in summary


def test_no_gpu_is_looked_for_and_nothing_is_said_of_cluster_fields(place: Workplace) -> None:
    code, found, _ = inspected(place, compute={"gpusPerNode": 4}, scheduling={"queue": "team"})
    assert (code, [note for note in found.notes if "gopd run" in note]) == (0, [])


def test_a_model_whose_size_is_not_known_is_noted_and_stops_nothing(place: Workplace) -> None:
    code, found, _ = inspected(place)
    assert (code, found.models) == (0, {})
    assert found.notes[0] == (
        "models/student: its architecture (model_type None) is not one of llama, mistral, mixtral, qwen2, qwen3, "
        "qwen3_moe, gemma, gemma2, gemma3_text; its memory is not planned"
    )


def test_missing_inputs_are_refused_with_field_fault_and_remedy(place: Workplace) -> None:
    code, found, summary = inspected(place, student={"model": "models/nowhere"})
    assert (code, found.outcome) == (1, "refused")
    assert found.faults == [
        f"spec.student.model: no folder {place.root}/models/nowhere; make it with `python make_inputs.py`"
    ]
    assert json.loads(summary)["faults"] == found.faults


def test_an_object_that_is_not_valid_is_refused_in_the_same_form(place: Workplace) -> None:
    code, found, _ = inspected(place, optimization={"batchSize": 2})
    assert (code, found.outcome) == (1, "refused")
    assert found.faults == ["spec.optimization.steps: is missing, and so is epochs; set one of the two"]


def test_last_words_hold_at_most_4096_bytes_and_count_what_was_left_out(place: Workplace) -> None:
    teachers = [{"name": f"t{n}", "model": f"models/{'long' * 60}{n}", "domains": [f"d{n}"]} for n in range(16)]
    code, found, summary = inspected(place, teachers=teachers)
    assert code == 1 and found.left_out > 0
    assert len(summary.encode()) <= TERMINATION_BYTES


def test_a_model_of_the_hub_is_read_from_the_local_cache(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(place.root / "cache"))
    folder = place.root / "cache" / "models--Qwen--Qwen3-0.6B" / "snapshots" / REVISION
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    model = f"hf://Qwen/Qwen3-0.6B@{REVISION}"
    assert sizes_found([model], place.root, fetch=True).facts == {model: facts_of(CONFIG)}


def test_a_hub_that_cannot_be_reached_is_a_note_and_no_fault(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(place.root / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    teacher = {"name": "wise", "model": f"hf://nobody/nothing@{REVISION}"}
    code, found, _ = inspected(place, teachers=[teacher])
    assert (code, found.faults) == (0, [])
    assert any(note.startswith(f"{teacher['model']}: the hub did not give its config.json (") for note in found.notes)


def test_without_fetching_the_command_that_fetches_is_named(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(place.root / "cache"))
    found = sizes_found([f"hf://nobody/nothing@{REVISION}"], place.root)
    assert f"`hf download nobody/nothing config.json --revision {REVISION}` fetches it" in found.notes[0]


def test_what_is_assumed_by_name_is_said(place: Workplace) -> None:
    found = sizes_found(["models/Qwen3-0.6B-mine"], place.root, assume=True)
    assert found.facts == {"models/Qwen3-0.6B-mine": facts_of(CONFIG)}
    assert found.notes[0].endswith("; assumed to be as large as Qwen/Qwen3-0.6B")
    assert sizes_found(["models/Qwen3-0.6B-mine"], place.root).facts == {}


def test_a_configuration_that_is_no_json_is_not_at_hand(place: Workplace) -> None:
    (place.root / "models" / "student" / "config.json").write_text("{")
    with pytest.raises(NotAtHand, match="cannot be read"):
        model_facts._configuration("models/student", place.root, fetch=False)
