"""Wrong input ends an attempt before anything is started, in one sentence with field, fault and remedy."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples.tiny_inputs import make_model, make_prompts
from tests.trainer.requests_for_tests import teacher, train_request

from gopd_api.requests import TrainRequest
from gopd_api.training import Data
from gopd_trainer.core.errors import InvalidInput
from gopd_trainer.shell.driver import explained
from gopd_trainer.shell.inputs import check_tokenizers, convert_data, model_folders


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    made = {name: str(make_model(folder / name, seed)) for seed, name in enumerate(("student", "teacher", "other"))}
    # Another tokenizer: two tokens have changed places.
    path = Path(made["other"], "tokenizer.json")
    words = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = words["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(words), encoding="utf-8")
    return made


def request_for(models: dict[str, str], folder: Path, **changes: Any) -> TrainRequest:
    (folder / "scratch").mkdir(exist_ok=True)
    scored = changes.pop("teachers", [teacher("only", [], 1.25, models["student"], models["teacher"])])
    train = changes.pop("train", str(make_prompts(folder / "train.jsonl")))
    return train_request(folder, student=models["student"], teachers=scored, train=train, **changes)


def fault_of(request: TrainRequest) -> str:
    with pytest.raises(InvalidInput) as caught:
        convert_data(request, check_tokenizers(request, model_folders(request)))
    assert explained(caught.value).reason == "InvalidInput"
    return str(caught.value)


def test_good_input_becomes_a_parquet_file_with_the_domains(models: dict[str, str], tmp_path: Path) -> None:
    request = request_for(models, tmp_path)
    assert convert_data(request, check_tokenizers(request, model_folders(request))) == 32
    rows = pq.read_table(tmp_path / "scratch" / "train.parquet").to_pylist()
    assert [row["data_source"] for row in rows[:2]] == ["math", "code"]
    assert rows[0]["prompt"] == [{"role": "user", "content": "What is 0 plus 0?"}]


def test_a_missing_model_folder_is_named(models: dict[str, str], tmp_path: Path) -> None:
    gone = [teacher("only", [], 1.25, models["student"], "/nowhere/model")]
    fault = fault_of(request_for(models, tmp_path, teachers=gone))
    assert fault.startswith("spec.teachers[0].model: no model in /nowhere/model (no config.json); give")


def test_weights_that_were_cut_off_are_refused(models: dict[str, str], tmp_path: Path) -> None:
    folder = shutil.copytree(models["teacher"], tmp_path / "torn")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4096])
    torn = [teacher("only", [], 1.25, models["student"], str(folder))]
    fault = fault_of(request_for(models, tmp_path, teachers=torn))
    assert fault.startswith(f"spec.teachers[0].model: {weights} is damaged (")
    assert fault.endswith("; copy or make the model again")


def test_data_that_was_cut_off_is_told_with_its_line(models: dict[str, str], tmp_path: Path) -> None:
    file = make_prompts(tmp_path / "torn.jsonl")
    whole = file.read_bytes().splitlines(keepends=True)
    for torn in (whole[5][:20], b'{"prompt": "caf\xc3'):
        file.write_bytes(b"".join(whole[:5]) + torn)
        fault = fault_of(request_for(models, tmp_path, train=str(file)))
        assert fault.startswith(f"spec.data.train: line 6 of {file} is not JSON in UTF-8 (")


def test_a_tokenizer_that_differs_is_refused(models: dict[str, str], tmp_path: Path) -> None:
    for scored, field in (
        (teacher("only", [], 1.0, None, models["other"]), "spec.teachers[0].model"),
        (teacher("only", [], 1.25, models["other"], models["teacher"]), "spec.teachers[0].reference"),
    ):
        fault = fault_of(request_for(models, tmp_path, teachers=[scored]))
        assert fault.startswith(f"{field}: its tokenizer differs from the student's")
        assert "name a model with the student's tokenizer" in fault


def test_a_hub_that_cannot_be_reached_is_told(models: dict[str, str], tmp_path: Path) -> None:
    absent = [teacher("only", [], 1.0, None, "hf://nobody/nothing@" + "0" * 40)]
    fault = fault_of(request_for(models, tmp_path, teachers=absent))
    assert fault.startswith("spec.teachers[0].model: nobody/nothing could not be downloaded")
    assert "download the model and give its path" in fault


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "spec.data.train: {file} has no prompts"),
        (["{"], "spec.data.train: line 1 of {file} is not JSON"),
        (["[1]"], "spec.data.train: line 1 of {file} is no object"),
        (['{"question": "x", "domain": "math"}'], "spec.data.promptField: record 1 has no prompt in field 'prompt'"),
        (
            ['{"prompt": "x", "domain": "math"}'],
            "spec.optimization.batchSize: a step takes 4 prompts, and {file} has 1",
        ),
        (['{"prompt": "' + "x " * 200 + '"}'], "spec.data.maxPromptTokens: the prompt in line 1 has"),
    ],
)
def test_data_that_cannot_be_used_says_where(
    models: dict[str, str], tmp_path: Path, lines: list[str], expected: str
) -> None:
    file = tmp_path / "given.jsonl"
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    fault = fault_of(request_for(models, tmp_path, train=str(file)))
    assert fault.startswith(expected.format(file=file))
    assert "; " in fault


def test_a_domain_without_a_teacher_lists_the_known_ones(models: dict[str, str], tmp_path: Path) -> None:
    scored = [
        teacher("a", ["math"], 1.0, None, models["teacher"]),
        teacher("b", ["sql"], 1.0, None, models["teacher"]),
    ]
    fault = fault_of(request_for(models, tmp_path, teachers=scored))
    assert "line 2, field 'domain': domain 'code' has no teacher" in fault
    assert "known: 'math', 'sql'" in fault


def test_a_context_that_is_too_short_is_refused(models: dict[str, str], tmp_path: Path) -> None:
    data = Data(train=str(make_prompts(tmp_path / "p.jsonl")), max_prompt_tokens=64, max_response_tokens=1000)
    fault = fault_of(request_for(models, tmp_path, data=data))
    assert "it reads 512 tokens, and maxPromptTokens + maxResponseTokens is 1064" in fault


def test_a_parquet_file_is_read_and_a_wrong_one_is_told(models: dict[str, str], tmp_path: Path) -> None:
    table = tmp_path / "train.parquet"
    pq.write_table(pa.table({"prompt": [f"What is {i}?" for i in range(8)], "domain": ["math"] * 8}), table)
    good = Data(train=str(table), format="parquet", max_prompt_tokens=64, max_response_tokens=16)
    request = request_for(models, tmp_path, data=good)
    assert convert_data(request, check_tokenizers(request, model_folders(request))) == 8
    table.write_text('{"prompt": "What?"}\n', encoding="utf-8")
    assert fault_of(request_for(models, tmp_path, data=good)).startswith("spec.data.format:")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "DiskFull"),
        (OSError(122, "Disk quota exceeded"), "DiskFull"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 97088 vs 96980"), "DiskFull"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "OutOfMemory"),
        (MemoryError(), "OutOfMemory"),
        (RuntimeError("anything else"), "Error"),
    ],
)
def test_every_failure_has_a_reason(error: Exception, reason: str) -> None:
    assert explained(error).reason == reason


def test_rays_word_for_a_lost_machine_is_kept_out_of_many_lines() -> None:
    lines = ["The actor died unexpectedly before finishing this task.", "\tclass_name: WorkerDict", "\tpid: 7"]
    lines += ["The actor died because its node has died. Node Id: 00ff", "\tthe actor's node was terminated: late"]
    assert "its node has died" in str(explained(RuntimeError("\n".join(lines))))


@pytest.mark.parametrize(
    ("words", "helps"),
    [
        ("CUDA out of memory. Tried to allocate 20 GiB", "use more GPUs"),
        (
            "OutOfMemoryError: 1 worker(s) were killed due to the node running low on memory",
            "give the pods more memory",
        ),
    ],
)
def test_what_helps_depends_on_whose_memory_is_short(words: str, helps: str) -> None:
    assert helps in str(explained(RuntimeError(words)))
