"""Train from nothing what `examples/reward-scale-sweep.yaml` compares: a start, and a teacher that RL made of it.

    python -m examples.sort_inputs --workdir runs

    <workdir>/models/sort-base/      a two-layer Llama that sorts five digits as badly as its training answers did
    <workdir>/models/sort-teacher/   the same after reinforcement learning: it sorts better
    <workdir>/data/sort/             train.jsonl and heldout.jsonl; nothing is trained on a held-out prompt

The point of the task: the teacher has moved from the start in a useful direction, so that a reward scale above 1 has
something to extrapolate. Everything is made on one CPU core in about a minute and is the same for one seed. It decides
the task and its two models, not how a student is distilled from them.
"""

import json
import shutil
from pathlib import Path

import click
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

DIGITS = "123456789"
END, PAD = "<|im_end|>", "<|endoftext|>"
VOCABULARY = {token: index for index, token in enumerate([PAD, END, *DIGITS, "s", "="])}
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}={% endif %}"
LENGTH = 5
"""Digits to sort."""
PROMPT = LENGTH + 2
"""Tokens of a prompt: `s`, the digits, `=`. An answer is the sorted digits and the end token."""
DAMAGED = 0.14
"""Chance of each digit of the base's training answers to be replaced by any digit: half of the answers stay right."""
BASE_STEPS, BASE_BATCH, BASE_RATE = 400, 128, 3e-3
RL_STEPS, RL_PROMPTS, RL_SAMPLES, RL_RATE = 40, 32, 8, 3e-4
HELDOUT, TRAIN = 4000, 20000


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a character."""
    model = Tokenizer(models.BPE(vocab=VOCABULARY, merges=[]))
    model.decoder = decoders.Fuse()
    model.add_special_tokens([AddedToken(PAD, special=True), AddedToken(END, special=True)])
    fast = PreTrainedTokenizerFast(tokenizer_object=model, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    return fast


def new_model() -> LlamaForCausalLM:
    """A random two-layer transformer of width 96."""
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        bos_token_id=None,
        eos_token_id=VOCABULARY[END],
        pad_token_id=VOCABULARY[PAD],
    )
    return LlamaForCausalLM(config).float()


def all_problems() -> Tensor:
    """Every string of five digits in random order, token ids, [strings, 5]."""
    digits = torch.tensor([VOCABULARY[digit] for digit in DIGITS])
    strings = torch.cartesian_prod(*[digits] * LENGTH)
    return strings[torch.randperm(len(strings))]


def some(problems: Tensor, count: int) -> Tensor:
    """`count` of the problems, drawn with replacement."""
    return problems[torch.randint(len(problems), (count,))]


def prompts(digits: Tensor) -> Tensor:
    """`s`, the digits and `=` as token ids, [problems, PROMPT]."""
    return torch.nn.functional.pad(
        torch.nn.functional.pad(digits, (1, 0), value=VOCABULARY["s"]), (0, 1), value=VOCABULARY["="]
    )


def answers(digits: Tensor, damaged: float = 0.0) -> Tensor:
    """The sorted digits, each with chance `damaged` replaced by any digit, and the end; [problems, 6]."""
    ordered = digits.sort(dim=1).values
    other = torch.randint(VOCABULARY[DIGITS[0]], VOCABULARY[DIGITS[-1]] + 1, ordered.shape)
    written = torch.where(torch.rand(ordered.shape) < damaged, other, ordered)
    return torch.nn.functional.pad(written, (0, 1), value=VOCABULARY[END])


def train_base(problems: Tensor) -> LlamaForCausalLM:
    """Supervised training on damaged answers: cross-entropy on the answer's tokens."""
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=BASE_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, BASE_RATE, total_steps=BASE_STEPS, pct_start=0.1)
    for step in range(BASE_STEPS):
        asked = some(problems, BASE_BATCH)
        wanted = answers(asked, DAMAGED)
        logits = model(torch.cat([prompts(asked), wanted[:, :-1]], dim=1)).logits[:, PROMPT - 1 :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"base: step {step}/{BASE_STEPS}, loss {loss.item():.3f}", flush=True)
    return model


@torch.no_grad()
def drawn(model: LlamaForCausalLM, asked: Tensor) -> Tensor:
    """Answers drawn at temperature 1, [problems, 6]."""
    ids = prompts(asked)
    for _ in range(LENGTH + 1):
        logits = model(ids).logits[:, -1]
        ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)], dim=1)
    return ids[:, PROMPT:]


def right(given: Tensor, asked: Tensor) -> Tensor:
    """1 for each answer that is the sorted digits and ends, else 0; [problems]."""
    return (given == answers(asked)).all(-1).float()


def train_teacher(model: LlamaForCausalLM, problems: Tensor) -> LlamaForCausalLM:
    """Policy gradient with group-normalised rewards: 1 for a right answer, else 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RL_RATE, weight_decay=0.0)
    for step in range(RL_STEPS):
        asked = some(problems, RL_PROMPTS).repeat_interleave(RL_SAMPLES, dim=0)
        given = drawn(model, asked)
        rewards = right(given, asked).view(RL_PROMPTS, RL_SAMPLES)
        advantages = (rewards - rewards.mean(-1, keepdim=True)) / (rewards.std(-1, keepdim=True) + 1e-4)
        logits = model(torch.cat([prompts(asked), given[:, :-1]], dim=1)).logits[:, PROMPT - 1 :]
        log_probs = logits.log_softmax(-1).gather(-1, given[..., None])[..., 0]
        loss = -(advantages.flatten()[:, None] * log_probs).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"teacher: step {step}/{RL_STEPS}, right {rewards.mean():.2f}", flush=True)
    return model


def accuracy(model: LlamaForCausalLM, asked: Tensor) -> float:
    """Share of right answers at temperature 1."""
    return right(drawn(model, asked), asked).mean().item()


def write(problems: Tensor, file: Path) -> None:
    """Problems as JSON lines: the prompt, its domain and the right answer."""
    tokens = list(VOCABULARY)
    strings = ["".join(tokens[index] for index in row) for row in problems.tolist()]
    lines = [{"prompt": f"s{text}", "domain": "sort", "answer": "".join(sorted(text))} for text in strings]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Write a Hugging Face folder under a temporary name, then rename it."""
    partial = folder.with_name(f".{folder.name}.partial")
    model.save_pretrained(partial)
    tokenizer().save_pretrained(partial)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    print(folder)


@click.command()
@click.option("--workdir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(workdir: Path, seed: int) -> None:
    """Make the models and the data below WORKDIR; what is there already is kept."""
    data, finished = workdir / "data" / "sort", workdir / "models" / "sort-teacher"
    if finished.exists():
        print(f"{finished} is there; remove it to make it anew")
        return
    # The matrices are so small that a second thread costs more than it brings; and one thread gives one result.
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    problems = all_problems()
    heldout, others = problems[:HELDOUT], problems[HELDOUT:]
    data.mkdir(parents=True, exist_ok=True)
    write(others[:TRAIN], data / "train.jsonl")
    write(heldout, data / "heldout.jsonl")
    model = train_base(others)
    print(f"base: {accuracy(model, heldout):.3f} right on {HELDOUT} held-out prompts")
    save(model, workdir / "models" / "sort-base")
    model = train_teacher(model, others)
    print(f"teacher: {accuracy(model, heldout):.3f} right on {HELDOUT} held-out prompts")
    save(model, finished)


if __name__ == "__main__":
    main()
