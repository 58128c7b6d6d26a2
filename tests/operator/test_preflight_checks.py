"""What is refused before anything starts: each wrong input with its field, its fault and its remedy."""

import json
from typing import Any

import pytest
from tests.operator.workplace import TOKENIZER, Workplace

from gopd_api.objects import DistillationJob
from gopd_operator.shell import disk
from gopd_operator.shell.disk import needed_bytes
from gopd_operator.shell.models import context_length, parameter_count
from gopd_operator.shell.preflight import Findings, check, gpu_count


def findings(place: Workplace, **changes: Any) -> Findings:
    return check(place.write(place.spec(**changes)), place.root)


def test_inputs_that_fit_together_have_no_faults(place: Workplace) -> None:
    assert findings(place) == Findings(prompts=4)


def test_a_folder_that_is_no_model_is_refused(place: Workplace) -> None:
    (place.root / "models" / "teacher" / "config.json").unlink()
    folder = place.root / "models" / "teacher"
    assert findings(place).faults == [
        f"spec.teachers[0].model: {folder} has no config.json, so it is no Hugging Face model; "
        "make it with `python make_inputs.py`"
    ]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "has no model-00002-of-00002.safetensors, which model.safetensors.index.json names"),
        (0, "is damaged (its header cannot be read)"),
        (40, "is damaged (its header cannot be read)"),
        (-3, "bytes where its header says"),
        (3, "bytes where its header says"),
    ],
)
def test_weights_that_were_cut_off_are_refused(place: Workplace, size: int | None, words: str) -> None:
    """`size`: what is left of the file, negative: what is missing at its end, 3: bytes too many, None: another file."""
    folder = place.root / "models" / "teacher"
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    if size is None:
        names = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    else:
        weights.write_bytes(whole + b"xxx" if size == 3 else whole[:size])
    fault = findings(place).faults[0]
    assert fault.startswith(f"spec.teachers[0].model: {folder}") and words in fault
    assert fault.endswith("; copy or make the model again")


def test_a_known_benchmark_that_was_not_fetched_is_refused_with_the_command_that_gets_it(place: Workplace) -> None:
    known = {"evaluation": {"tasks": [{"benchmark": "livecodebench", "release": "release_v2"}]}}
    store = place.root / "datasets"
    assert findings(place, **known).faults == [
        f"spec.evaluation.tasks[0].benchmark: {store} does not hold {name}; "
        f"get it with `gopd data fetch {name} --store {store}`"
        for name in ("livecodebench-v1", "livecodebench-v2")
    ]
    for number in (1, 2):
        (store / "sets").mkdir(parents=True, exist_ok=True)
        (store / "sets" / f"livecodebench-v{number}.json").write_text("{}")
    assert findings(place, **known).faults == []


@pytest.mark.parametrize("torn", [b'{"prompt": "what', b'{"prompt": "caf\xc3'])
def test_prompts_that_were_cut_off_are_told_with_their_line(place: Workplace, torn: bytes) -> None:
    file = place.prompts({"prompt": "1"}, {"prompt": "2"}, {"prompt": "3"})
    file.write_bytes(file.read_bytes() + torn)
    fault = findings(place).faults[0]
    assert fault.startswith(f"spec.data.train: line 4 of {file} is no")
    assert "copy the file again if it was cut off" in fault


def test_every_fault_is_found_at_once(place: Workplace) -> None:
    found = findings(
        place, student={"model": "models/a"}, objective={"reference": "models/b"}, data={"train": "c.jsonl"}
    )
    fields = [fault.partition(":")[0] for fault in found.faults]
    assert fields == ["spec.student.model", "spec.objective.reference", "spec.data.train"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "has no prompts; give one JSON object a line"),
        ([{"text": "?"}], "has no field 'prompt'; set data.promptField to one of its fields: text"),
        ([{"prompt": ""}, {"prompt": "?"}], "has an empty 'prompt'; remove it"),
        ([["?"]], "is no JSON object; write one object a line"),
    ],
)
def test_prompts_that_cannot_be_used_are_refused(place: Workplace, rows: list[Any], words: str) -> None:
    place.prompts(*rows)
    assert words in findings(place).faults[0]


def test_fewer_prompts_than_a_batch_are_refused(place: Workplace) -> None:
    faults = findings(place, optimization={"batchSize": 64, "steps": 1}).faults
    assert len(faults) == 1 and faults[0].startswith("spec.optimization.batchSize: is 64, and ")


def test_domains_and_teachers_must_cover_each_other(place: Workplace) -> None:
    place.prompts({"prompt": "1", "domain": "math"}, {"prompt": "2", "domain": "poems"}, {"prompt": "3"})
    teachers = [{"name": "wise", "model": "models/teacher", "domains": ["math", "code"]}]
    faults = findings(place, teachers=teachers).faults
    assert [fault.partition(";")[0].partition(" of ")[0] for fault in faults] == [
        "spec.data.domainField: 1 prompts",
        "spec.teachers: no teacher has the domain 'poems'",
        "spec.teachers[0].domains: 'code' is in no prompt",
    ]
    assert "the data has the domains math, poems" in faults[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": {"vocab": {"a": 0}}}, "its vocabulary has 1 entries where the student's has 2"),
        ({"model": {"vocab": {"a": 1, "b": 0}}}, "its vocabulary gives other ids"),
        ({"added_tokens": [{"id": 2, "content": "<x>"}]}, "its added (special) tokens differ"),
        ({"normalizer": {"type": "NFC"}}, "it normalises text in another way"),
    ],
)
def test_a_teacher_with_another_tokenizer_is_refused(place: Workplace, change: dict[str, Any], words: str) -> None:
    place.model("teacher", tokenizer=TOKENIZER | change)
    assert findings(place).faults == [
        f"spec.teachers[0].model: its tokenizer is not the student's ({words}); "
        "use a model with the student's tokenizer"
    ]


def test_padding_settings_do_not_make_a_tokenizer_another_one(place: Workplace) -> None:
    place.model("teacher", tokenizer=TOKENIZER | {"padding": {"length": 8}})
    assert findings(place).faults == []


def test_a_reference_with_another_template_is_refused(place: Workplace) -> None:
    place.model("base", template="{{ other }}")
    assert findings(place, objective={"reference": "models/base"}).faults == [
        "spec.objective.reference: its chat template is not the student's; give both the same template"
    ]


def test_a_template_file_counts_before_the_one_in_the_configuration(place: Workplace) -> None:
    (place.root / "models" / "teacher" / "chat_template.jinja").write_text("{{ other }}")
    assert "spec.teachers[0].model: its chat template" in findings(place).faults[0]


def test_answers_longer_than_a_models_context_are_refused(place: Workplace) -> None:
    data = {"train": "data/train.jsonl", "maxPromptTokens": 64, "maxResponseTokens": 64}
    assert context_length(place.root / "models" / "teacher") == 128
    faults = findings(place, data=data).faults
    assert faults[0].startswith("spec.student.model: reads 128 tokens, less than the 129 of the longest prompt")
    assert findings(place, data=data | {"maxResponseTokens": 63}).faults == []


def test_a_gpu_that_is_not_there_is_told(place: Workplace) -> None:
    teachers = [{"name": "wise", "model": "models/teacher", "replicas": 7}]
    faults = findings(place, compute={"accelerator": "gpu", "gpusPerNode": 16}, teachers=teachers).faults
    there = gpu_count()
    assert there < 16
    assert ("CUDA finds none here" in faults[0]) if there == 0 else (f"this machine has {there}" in faults[0])


def test_a_disk_without_room_for_one_checkpoint_is_refused(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    student = place.root / "models" / "student"
    assert parameter_count(student) == 8
    job = place.write(place.spec())
    assert isinstance(job, DistillationJob)
    assert needed_bytes(job, 8) == (8 * 16, 3 * 8 * 12 + 3 * 8 * 4)
    monkeypatch.setattr(disk, "parameter_count", lambda _: 10**15)
    assert "spec.checkpoints: " in findings(place).faults[0]
    assert "one checkpoint with its export takes" in findings(place).faults[0]


def test_fields_that_only_a_cluster_uses_are_named_in_one_line(place: Workplace) -> None:
    notes = findings(place, scheduling={"queue": "night"}, lifecycle={"ttlSecondsAfterFinished": 60}).notes
    assert notes == [
        "not used by gopd run, only on a cluster: spec.scheduling.queue, spec.lifecycle.ttlSecondsAfterFinished"
    ]


def test_a_parquet_file_is_read_like_lines(place: Workplace) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"question": ["a", "b"], "domain": ["math", "math"]})
    pyarrow.parquet.write_table(table, place.root / "data" / "train.parquet")
    data = {"train": "data/train.parquet", "format": "parquet", "maxPromptTokens": 32, "maxResponseTokens": 32}
    assert (
        "has no column 'prompt'; set data.promptField to one of: question, domain"
        in findings(place, data=data).faults[0]
    )
    assert findings(place, data=data | {"promptField": "question"}).faults == []
