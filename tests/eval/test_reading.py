"""Problems, prompts, models and records as they are read."""

import json
from pathlib import Path

import pytest
from tokenizers.processors import TemplateProcessing

from gopd_api.evaluation import Task
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import data_digest, parse_problems, places, prompts_digest
from gopd_eval.core.samples import Divergence, missing, wanted_samples
from gopd_eval.shell import models
from gopd_eval.shell.models import locate
from gopd_eval.shell.store import RecordFile, read_records
from gopd_eval.shell.tokenization import prompt_tokens, stop_tokens

from .conftest import make_tokenizer


def parsed(*rows: object, limit: int | None = None) -> list:
    task = Task(benchmark="math", data="f", limit=limit)
    return parse_problems(places("f", [json.dumps(row).encode() + b"\n" for row in rows]), task, "tasks[0].data")


def test_equal_prompts_are_two_problems_and_a_changed_answer_is_the_same_prompt() -> None:
    twice = parsed({"prompt": "1+1?", "answer": 2}, {"prompt": "1+1?", "answer": 2})
    assert len({problem.id for problem in twice}) == 2
    corrected = parsed({"prompt": "1+1?", "answer": 2}, {"prompt": "1+1?", "answer": "two"})
    assert prompts_digest(twice) == prompts_digest(corrected)
    assert data_digest(twice) != data_digest(corrected)


def test_the_limit_takes_the_first_problems() -> None:
    rows = [{"prompt": f"{n}?", "answer": n} for n in range(5)]
    assert [p.answer for p in parsed(*rows, limit=2)] == ["0", "1"]


@pytest.mark.parametrize("prompt", ["", [], [{"role": "user"}], 5, {"role": "user", "content": "x"}])
def test_a_prompt_that_is_no_text_and_no_messages_is_refused(prompt: object) -> None:
    with pytest.raises(EvaluationError, match=r"tasks\[0\].data: line 1 of f has a `prompt` that is neither"):
        parsed({"prompt": prompt, "answer": 1})


def test_a_prompt_goes_through_the_chat_template_once_and_begins_once() -> None:
    tokenizer = make_tokenizer()
    begin = tokenizer.convert_tokens_to_ids("<|im_start|>")
    # A tokenizer that adds a token of beginning by itself, as Llama's does.
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", begin)]
    )
    assert tokenizer("a")["input_ids"][0] == begin
    problems = parsed(
        {"prompt": "1+1?", "answer": 2},
        {"prompt": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "1+1?"}], "answer": 2},
    )
    one, two = (tokenizer.decode(ids) for ids in prompt_tokens(tokenizer, problems, None, "f"))
    assert one == "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    assert two.startswith("<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user")
    tokenizer.chat_template = None
    assert tokenizer.decode(prompt_tokens(tokenizer, problems, None, "f")[0]) == "<|im_start|>1+1?"


def test_enable_thinking_reaches_the_template_only_when_it_is_set() -> None:
    tokenizer = make_tokenizer()
    problems = parsed({"prompt": "1+1?", "answer": 2})
    ends = {
        option: tokenizer.decode(prompt_tokens(tokenizer, problems, option, "f")[0]).endswith("<think></think>")
        for option in (None, True, False)
    }
    assert ends == {None: False, True: False, False: True}


def test_a_template_that_refuses_a_prompt_is_an_error() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no system turn') }}"
    with pytest.raises(
        EvaluationError, match=r"subjects\[0\].model: the chat template refuses problem .*no system turn"
    ):
        prompt_tokens(tokenizer, parsed({"prompt": "1+1?", "answer": 2}), None, "subjects[0].model")


def test_every_configured_end_ends_an_answer() -> None:
    class Config:
        def __init__(self, eos: object) -> None:
            self.eos_token_id = eos

    assert stop_tokens(make_tokenizer(), Config([7, 8]), Config(9), Config(None)) == {2, 7, 8, 9}


def test_a_models_digest_is_its_contents_and_is_read_once(
    tiny: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    first, second = (shutil.copytree(tiny["student"], tmp_path / name) for name in ("a", "b"))
    digests = [locate(str(folder), "f", tmp_path).digest for folder in (first, second)]
    assert digests[0] == digests[1]
    (second / "generation_config.json").write_text('{"eos_token_id": 5}')
    assert locate(str(second), "f", tmp_path).digest != digests[0]
    monkeypatch.setattr(models, "_file_digest", lambda path: pytest.fail("read again"))
    assert locate(str(first), "f", tmp_path).digest == digests[0]


def test_a_hub_model_is_not_fetched_where_settings_forbid_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    source = locate("hf://org/name@" + "0" * 40, "subjects[0].model", tmp_path)
    assert source.digest == "org/name@" + "0" * 40
    with pytest.raises(EvaluationError, match=r"subjects\[0\].model: hf://org/name@0+ .*check HF_HUB_OFFLINE"):
        source.folder()


def write(folder: Path, *records: Divergence) -> None:
    with RecordFile(folder, Divergence, {"a": 1}, lambda: None) as file:
        file.append(records)


def test_records_are_appended_and_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    one, two = Divergence("p", 0, 1.5, 3), Divergence("p", 1, 0.5, 2)
    write(tmp_path, one)
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(json.dumps(two.to_json()).encode()[:-1])
    assert read_records(tmp_path, Divergence) == [one]
    write(tmp_path, two)
    assert read_records(tmp_path, Divergence) == [one, two]
    assert missing(wanted_samples(["p", "q"], 2), [one, two]) == [("q", 0), ("q", 1)]
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"a": 1}


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, Divergence("p", 0, 1.5, 3))
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(b"\x00\x00\n")
    with pytest.raises(EvaluationError, match=r"paths.store: line 2 of .*records.jsonl is damaged"):
        read_records(tmp_path, Divergence)


def test_two_evaluations_do_not_append_to_the_same_records_at_once(tmp_path: Path) -> None:
    class WaitedError(Exception):
        pass

    def beat() -> None:
        raise WaitedError

    with RecordFile(tmp_path, Divergence, {}, beat), pytest.raises(WaitedError):
        RecordFile(tmp_path, Divergence, {}, beat).__enter__()
    RecordFile(tmp_path, Divergence, {}, beat).__enter__().__exit__(None, None, None)
