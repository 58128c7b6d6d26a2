"""The calls of vLLM, against a stand-in with the signatures of vLLM 0.24.0: what is asked, kept and aborted.

vLLM itself needs a GPU. The stand-in refuses arguments that the real classes do not have.
"""

import importlib.machinery
import shutil
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from gopd_eval.core.errors import StoppedError
from gopd_eval.core.samples import Sample
from gopd_eval.shell.generate import generate
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.store import read_records

from .conftest import RequestMaker, make_tokenizer

SAMPLING_FIELDS = set(
    "n presence_penalty frequency_penalty repetition_penalty temperature top_p top_k min_p seed stop stop_token_ids "
    "ignore_eos max_tokens min_tokens logprobs prompt_logprobs detokenize skip_special_tokens output_kind".split()
)
LLM_FIELDS = set(
    "runner tokenizer skip_tokenizer_init trust_remote_code tensor_parallel_size dtype revision seed "
    "gpu_memory_utilization enforce_eager max_num_seqs max_model_len generation_config".split()
)


class OutputKind(Enum):
    CUMULATIVE, DELTA, FINAL_ONLY = range(3)


def sampling_params(**given: Any) -> SimpleNamespace:
    assert set(given) <= SAMPLING_FIELDS
    assert isinstance(given["seed"], int) and 0 <= given["seed"] < 2**63
    return SimpleNamespace(**given)


class Engine:
    """Ends one answer a step, the last one asked for first."""

    def __init__(self) -> None:
        self.model_config = SimpleNamespace(max_model_len=256)
        self.engine_core = SimpleNamespace(shutdown=lambda: None)
        self.asked: list[tuple[str, list[int], SimpleNamespace]] = []
        self.open: list[str] = []
        self.steps, self.aborted = 0, list[str]()

    def add_request(self, request_id: str, prompt: dict[str, Any], params: SimpleNamespace) -> str:
        assert isinstance(request_id, str) and self.steps == 0, "everything is asked for at once"
        self.asked.append((request_id, prompt["prompt_token_ids"], params))
        self.open.append(request_id)
        return request_id

    def has_unfinished_requests(self) -> bool:
        return bool(self.open)

    def abort_request(self, request_ids: list[str], internal: bool = False) -> None:
        self.aborted += request_ids

    def step(self) -> list[SimpleNamespace]:
        self.steps += 1
        request_id = self.open.pop()
        cut = int(request_id) % 2 == 0
        answer = SimpleNamespace(token_ids=(5, 6, 7 if cut else 2), finish_reason="length" if cut else "stop")
        return [SimpleNamespace(request_id=request_id, finished=True, outputs=[answer])]


class Llm:
    """vLLM's LLM: what it was made with, and its engine."""

    made: "Llm"

    def __init__(self, model: str, **given: Any) -> None:
        assert set(given) <= LLM_FIELDS
        self.model, self.given, self.llm_engine = model, given, Engine()
        Llm.made = self


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Llm]]:
    whole, parameters = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    whole.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    whole.__dict__.update(LLM=Llm, SamplingParams=sampling_params, TokensPrompt=dict)
    parameters.__dict__.update(RequestOutputKind=OutputKind)
    monkeypatch.setitem(sys.modules, "vllm", whole)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
    yield Llm


@pytest.fixture
def model_that_adds_a_beginning(tiny: dict[str, Path], tmp_path: Path) -> Path:
    """A model whose tokenizer adds a token of beginning by itself, as Llama's does; its template writes one too."""
    folder = shutil.copytree(tiny["student"], tmp_path / "adds")
    tokenizer = make_tokenizer()
    begin = tokenizer.convert_tokens_to_ids("<|im_start|>")
    single = TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", begin)])
    tokenizer.backend_tokenizer.post_processor = single
    tokenizer.save_pretrained(folder)
    return folder


def test_all_tasks_of_a_subject_are_asked_at_once_as_token_ids_with_one_beginning_and_own_seeds(
    vllm: type[Llm], model_that_adds_a_beginning: Path, make_request: RequestMaker, problems: Path, tmp_path: Path
) -> None:
    file = str(problems)
    request = make_request(
        accelerator="gpu",
        gpus=2,
        subjects=[{"name": "student", "model": str(model_that_adds_a_beginning)}],
        tasks=[
            {"benchmark": "math", "name": "short", "data": file, "samples": 2, "maxResponseTokens": 3},
            {"benchmark": "math", "name": "greedy", "data": file, "limit": 3, "temperature": 0, "topP": 0.5},
        ],
    )
    generate(request, Watch(tmp_path / "progress.json", request.digest()))
    engine = vllm.made.llm_engine
    assert vllm.made.given["tensor_parallel_size"] == 2
    assert vllm.made.given["generation_config"] == "vllm"
    assert len(engine.asked) == 8 * 2 + 3
    begin = make_tokenizer().convert_tokens_to_ids("<|im_start|>")
    user = make_tokenizer()("user", add_special_tokens=False)["input_ids"][0]
    assert all(prompt[0] == begin and prompt[1] == user for _, prompt, _ in engine.asked)
    ways = {(p.temperature, p.top_p, p.max_tokens) for _, _, p in engine.asked}
    assert ways == {(1.0, 1.0, 3), (0.0, 0.5, 12)}
    assert {p.output_kind for _, _, p in engine.asked} == {OutputKind.FINAL_ONLY}
    assert all(p.stop_token_ids == [2] for _, _, p in engine.asked)
    seeds = [p.seed for _, _, p in engine.asked]
    assert len(set(seeds[:16])) == 16
    kept = [one for folder in (tmp_path / "store" / "generations").iterdir() for one in read_records(folder, Sample)]
    assert {(one.finish, tuple(one.tokens)) for one in kept} == {("length", (5, 6, 7)), ("stop", (5, 6, 2))}
    assert engine.aborted == []

    generate(request, Watch(tmp_path / "progress.json", request.digest()))
    assert vllm.made.llm_engine is engine, "nothing is missing, so nothing is loaded"


def test_a_stop_aborts_what_is_open_and_the_next_start_asks_for_the_rest(
    vllm: type[Llm], make_request: RequestMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request(accelerator="gpu", subjects=make_request().model_dump()["subjects"][:1], tasks=[
        {"benchmark": "math", "name": "sums", "data": make_request().tasks[0].data, "samples": 2}
    ])  # fmt: skip
    watch = Watch(tmp_path / "progress.json", request.digest())
    advance = Watch.advance

    def stopping(self: Watch, count: int) -> None:
        advance(self, count)
        if vllm.made.llm_engine.steps == 5:
            raise StoppedError("SIGTERM")

    monkeypatch.setattr(Watch, "advance", stopping)
    with pytest.raises(StoppedError):
        generate(request, watch)
    first = vllm.made.llm_engine
    monkeypatch.setattr(Watch, "advance", advance)
    generate(request, watch)
    second = vllm.made.llm_engine
    assert (len(first.asked), len(first.aborted), len(second.asked)) == (16, 11, 11)
    finished = {p.seed for name, _, p in first.asked if name not in first.aborted}
    assert finished | {p.seed for _, _, p in second.asked} == {p.seed for _, _, p in first.asked}
