"""Train from nothing what `examples/reward-scale-sweep.yaml` compares: a start, and a teacher that RL made of it.

    python -m examples.sort_inputs --workdir runs

    <workdir>/models/sort-base/      a two-layer Llama that sorts five digits as badly as its training answers did
    <workdir>/models/sort-teacher/   the same after reinforcement learning: it sorts better
    <workdir>/data/sort/             train.jsonl and heldout.jsonl, different prompts

The point of the task: the teacher has moved from the start in a useful direction, so that a reward scale above 1 has
something to extrapolate. Everything is made on the CPU in two to three minutes and is the same for one seed and thread
count. It decides the task and its two models, not how a student is distilled from them.
"""

import json
import random
from pathlib import Path

import click
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

DIGITS = "123456789"
END, PAD = "<|im_end|>", "<|endoftext|>"
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}={% endif %}"
LENGTH = 5
"""Digits to sort."""
DAMAGED = 0.4
"""Share of the base's training answers in which one digit is replaced."""
BASE_STEPS, BASE_BATCH, BASE_RATE = 1500, 256, 1e-3
RL_STEPS, RL_PROMPTS, RL_SAMPLES, RL_RATE = 40, 32, 8, 1e-3
HELDOUT, TRAIN = 1000, 20000


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a character."""
    characters = {character: index for index, character in enumerate([PAD, END, *DIGITS, "s", "="])}
    model = Tokenizer(models.BPE(vocab=characters, merges=[]))
    model.decoder = decoders.Fuse()
    model.add_special_tokens([AddedToken(PAD, special=True), AddedToken(END, special=True)])
    fast = PreTrainedTokenizerFast(tokenizer_object=model, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    return fast


def new_model(words: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A random two-layer transformer of width 96."""
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return LlamaForCausalLM(config).float()


def problems(count: int, chance: random.Random) -> list[str]:
    """Random digit strings."""
    return ["".join(chance.choices(DIGITS, k=LENGTH)) for _ in range(count)]


def answer(digits: str, chance: random.Random, damaged: float = 0.0) -> str:
    """The sorted digits; with probability `damaged` one of them is replaced by a random one."""
    right = sorted(digits)
    if chance.random() < damaged:
        right[chance.randrange(LENGTH)] = chance.choice(DIGITS)
    return "".join(right)


def encoded(words: PreTrainedTokenizerFast, texts: list[str]) -> Tensor:
    """Token ids of texts of one length, [texts, tokens]."""
    return torch.tensor(words(texts, add_special_tokens=False)["input_ids"])


def train_base(words: PreTrainedTokenizerFast, chance: random.Random) -> LlamaForCausalLM:
    """Supervised training on damaged answers: cross-entropy on the answer's tokens."""
    model = new_model(words)
    optimizer = torch.optim.AdamW(model.parameters(), lr=BASE_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, BASE_STEPS)
    for step in range(BASE_STEPS):
        asked = problems(BASE_BATCH, chance)
        ids = encoded(words, [f"s{digits}={answer(digits, chance, DAMAGED)}{END}" for digits in asked])
        logits = model(ids[:, :-1]).logits[:, LENGTH + 1 :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, LENGTH + 2 :].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 300 == 0:
            print(f"base: step {step}/{BASE_STEPS}, loss {loss.item():.3f}", flush=True)
    return model


@torch.inference_mode()
def drawn(model: LlamaForCausalLM, words: PreTrainedTokenizerFast, asked: list[str]) -> Tensor:
    """Prompts with answers drawn at temperature 1, [prompts, tokens]."""
    ids = encoded(words, [f"s{digits}=" for digits in asked])
    for _ in range(LENGTH + 1):
        logits = model(ids).logits[:, -1]
        ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)], dim=1)
    return ids


def right(words: PreTrainedTokenizerFast, ids: Tensor, asked: list[str]) -> Tensor:
    """1 for each row whose answer is the sorted digits and ends, else 0."""
    wanted = encoded(words, ["".join(sorted(digits)) + END for digits in asked])
    return (ids[:, LENGTH + 2 :] == wanted).all(-1).float()


def train_teacher(model: LlamaForCausalLM, words: PreTrainedTokenizerFast, chance: random.Random) -> LlamaForCausalLM:
    """Policy gradient with group-normalised rewards: 1 for a right answer, else 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RL_RATE, weight_decay=0.0)
    for step in range(RL_STEPS):
        asked = [digits for digits in problems(RL_PROMPTS, chance) for _ in range(RL_SAMPLES)]
        ids = drawn(model, words, asked).clone()
        rewards = right(words, ids, asked).view(RL_PROMPTS, RL_SAMPLES)
        advantages = (rewards - rewards.mean(-1, keepdim=True)) / (rewards.std(-1, keepdim=True) + 1e-4)
        log_probs = model(ids[:, :-1]).logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0][:, LENGTH + 1 :]
        loss = -(advantages.flatten()[:, None] * log_probs).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"teacher: step {step}/{RL_STEPS}, right {rewards.mean():.2f}", flush=True)
    return model


def accuracy(model: LlamaForCausalLM, words: PreTrainedTokenizerFast, asked: list[str]) -> float:
    """Share of right answers at temperature 1."""
    return right(words, drawn(model, words, asked), asked).mean().item()


@click.command()
@click.option("--workdir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(workdir: Path, seed: int) -> None:
    """Make the models and the data below WORKDIR; what is there already is kept."""
    data, finished = workdir / "data" / "sort", workdir / "models" / "sort-teacher"
    if finished.exists():
        print(f"{finished} is there; remove it to make it anew")
        return
    torch.manual_seed(seed)
    chance = random.Random(seed)
    words = tokenizer()
    heldout = list(dict.fromkeys(problems(HELDOUT * 2, chance)))[:HELDOUT]
    held = set(heldout)
    train = [digits for digits in problems(TRAIN, chance) if digits not in held]
    data.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("heldout", heldout)):
        lines = [{"prompt": f"s{digits}", "domain": "sort", "answer": "".join(sorted(digits))} for digits in rows]
        (data / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    model = train_base(words, chance)
    print(f"base: {accuracy(model, words, heldout):.3f} right on {HELDOUT} held-out prompts")
    save(model, words, workdir / "models" / "sort-base")
    model = train_teacher(model, words, chance)
    print(f"teacher: {accuracy(model, words, heldout):.3f} right on {HELDOUT} held-out prompts")
    save(model, words, finished)


def save(model: LlamaForCausalLM, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a Hugging Face folder under a temporary name, then rename it."""
    partial = folder.with_name(f".{folder.name}.partial")
    model.save_pretrained(partial)
    words.save_pretrained(partial)
    partial.rename(folder)
    print(folder)


if __name__ == "__main__":
    main()
