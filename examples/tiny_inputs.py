"""Make random two-layer models with one tokenizer, and prompts for them: what `examples/tiny.yaml` needs, in seconds.

    python -m examples.tiny_inputs --workdir runs

    <workdir>/models/tiny-{student,algebra,coder,base}/   164 thousand parameters each
    <workdir>/data/tiny/train.jsonl                        prompts of two domains

They know nothing and learn nothing of use: they show that an installation works, and they are what tests and benchmarks
run on. Models of one seed and width are equal.
"""

import json
from pathlib import Path

import click
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MODELS = {"student": (0, 64), "algebra": (1, 64), "coder": (2, 96), "base": (3, 64)}
"""Seed and width of each model."""


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most 400 tokens, the same each time."""
    corpus = [f"What is {a} plus {b}? It is {a + b}. user assistant" for a in range(30) for b in range(30)]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(corpus, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TEMPLATE
    return fast


def make_model(folder: Path, seed: int, width: int = 64, vocabulary: int | None = None) -> Path:
    """A random Qwen3 model in `folder`; `vocabulary` below the tokenizer's makes one that cannot score every token."""
    words = tokenizer()
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary or len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        initializer_range=0.08,
    )
    Qwen3ForCausalLM(config).float().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def make_prompts(path: Path, count: int = 32, domains: tuple[str, ...] = ("math", "code")) -> Path:
    """`count` prompts as JSON lines, domains in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"prompt": f"What is {number} plus {number * 7 % 30}?", "domain": domains[number % len(domains)]}
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@click.command()
@click.option("--workdir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def main(workdir: Path) -> None:
    """Make the tiny models and their prompts below WORKDIR."""
    for name, (seed, width) in MODELS.items():
        print(make_model(workdir / "models" / f"tiny-{name}", seed, width))
    print(make_prompts(workdir / "data" / "tiny" / "train.jsonl", 64))


if __name__ == "__main__":
    main()
