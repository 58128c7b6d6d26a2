"""Tiny real models with a real tokenizer, and requests that are run by real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from gopd_api.evaluation import EvaluationSampling, Task, figures_of, thinking_of
from gopd_api.requests import EvalRequest

from .arena import Arena, set_up

torch.set_num_threads(1)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think></think>' }}{% endif %}"
)


def make_tokenizer(vocabulary: int = 320) -> PreTrainedTokenizerFast:
    corpus = [f"What is {a} plus {b}? The answer is \\boxed{{{a + b}}}." for a in range(20) for b in range(20)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    wrapped.chat_template = TEMPLATE
    return wrapped


def make_model(folder: Path, seed: int, vocabulary: int = 320) -> Path:
    """A random Qwen3 of about 60,000 weights; wide initial weights make its distributions uneven."""
    tokenizer = make_tokenizer(vocabulary)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, initializer_range=0.2,
    )  # fmt: skip
    Qwen3ForCausalLM(config).float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of models: `student`, `teacher`, and `stranger` with another tokenizer."""
    root = tmp_path_factory.mktemp("models")
    return {
        "student": make_model(root / "student", 0),
        "teacher": make_model(root / "teacher", 1),
        "stranger": make_model(root / "stranger", 2, vocabulary=300),
    }


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Eight sums of different lengths."""
    path = tmp_path / "problems.jsonl"
    rows = [
        {"prompt": "What is " + " plus ".join(map(str, range(n + 1))) + "?", "answer": sum(range(n + 1))}
        for n in range(1, 9)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def decided(task: dict[str, Any], sampling: EvaluationSampling) -> dict[str, Any]:
    """The task with its sampling decided, as the planner writes it into a request."""
    known = Task.model_validate(task)
    thinking = thinking_of(known, sampling)
    return {**known.model_dump(), **asdict(figures_of(known, sampling)), "enable_thinking": thinking}


RequestMaker = Callable[..., EvalRequest]


@pytest.fixture
def make_request(tmp_path: Path, tiny: dict[str, Path], problems: Path) -> RequestMaker:
    """A request of two subjects (student at step 0, teacher) on both benchmarks; parts can be replaced."""

    def make(**parts: Any) -> EvalRequest:
        given: dict[str, Any] = {
            "job": {"namespace": "default", "name": "job", "uid": "uid-1"},
            "subjects": [
                {"name": "student", "model": str(tiny["student"]), "role": "student", "step": 0},
                {"name": "teacher", "model": str(tiny["teacher"]), "role": "teacher"},
            ],
            "baseline": "student",
            "tasks": [
                {"benchmark": "math", "name": "sums", "data": str(problems), "samples": 2},
                {"benchmark": "kl-to-teacher", "name": "kl", "data": str(problems), "teacher": str(tiny["teacher"])},
            ],
            "sampling": {"maxResponseTokens": 12, "batchSize": 4},
            "accelerator": "cpu",
            "cpuThreads": 1,
            "paths": {
                "store": str(tmp_path / "store"),
                "data": str(tmp_path / "datasets"),
                "report": str(tmp_path / "end" / "report.json"),
                "comparison": str(tmp_path / "end" / "comparison.json"),
                "progress": str(tmp_path / "end" / "progress.json"),
            },
            "tracking": {"experiment": "test", "runName": "run"},
        }
        given |= parts
        sampling = EvaluationSampling.model_validate(given["sampling"])
        given["tasks"] = [decided(task, sampling) for task in given["tasks"]]
        return EvalRequest.model_validate(given)

    return make


def start(command: str, request: EvalRequest, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start `python -m gopd_eval COMMAND` on the request."""
    path = folder / "request.json"
    path.write_text(request.to_json())
    return subprocess.Popen(
        [sys.executable, "-m", "gopd_eval", command, "--request", str(path), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command to its end."""

    def go(command: str, request: EvalRequest, *more: str) -> subprocess.CompletedProcess[str]:
        process = start(command, request, tmp_path, *more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return go


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A grader with something to lose, one for all attacks of a module."""
    with set_up(tmp_path_factory.mktemp("grader")) as made:
        yield made
