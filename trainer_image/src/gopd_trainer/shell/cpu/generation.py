"""Drawing and scoring answers with one transformers model on processors.

An answer depends on the weights, the prompt and its own random stream, not on which prompts it is drawn with (as far as
floating-point sums allow). Knows no Ray and no verl; the queueing is `host`'s.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

SCORE_TOKENS = 4096
"""Padded tokens that are scored in one forward pass at most: bounds the [tokens, vocabulary] logits."""


@dataclass
class Answer:
    """Drawn tokens with the log-probabilities that they were drawn with, in nats."""

    tokens: list[int]
    log_probs: list[float]
    ended: bool
    """It ends with an end-of-sequence token; otherwise it was cut."""


@dataclass(frozen=True)
class Draw:
    """What is to be drawn for one prompt."""

    prompt: list[int]
    temperature: float
    limit: int
    """Most tokens of the answer."""
    stream: tuple[int, ...]
    """Names the random numbers: the same stream draws the same answer."""


def stream_key(*parts: object) -> tuple[int, ...]:
    """A random stream's name from anything with a stable repr."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return tuple(np.frombuffer(digest[:16], dtype=np.uint32).tolist())


class Model:
    """A causal language model in float32, its end tokens, and its two uses."""

    def __init__(self, path: str) -> None:
        self.network = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa")
        self.network.eval().requires_grad_(False)
        end = self.network.generation_config.eos_token_id
        self.end_tokens = set(end if isinstance(end, list) else [end]) - {None}

    @torch.inference_mode()
    def load(self, weights: dict[str, np.ndarray]) -> None:
        """Take the weights over, by name. Raises KeyError for a name that the model does not have."""
        own = dict(self.network.named_parameters()) | dict(self.network.named_buffers())
        for name, value in weights.items():
            if name not in own and name == "lm_head.weight" and self.network.config.tie_word_embeddings:
                continue
            own[name].copy_(torch.from_numpy(value))

    @torch.inference_mode()
    def score(self, sequences: Sequence[Sequence[int]]) -> list[Tensor]:
        """Log-probabilities of tokens 1.. of each sequence given those before: one [length − 1] tensor a sequence."""
        scores: list[Tensor] = [torch.empty(0)] * len(sequences)
        for chunk in chunks([len(sequence) for sequence in sequences], SCORE_TOKENS):
            rows = [list(sequences[index]) for index in chunk]
            width = max(map(len, rows))
            ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
            mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
            logits = self.network(ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
            chosen = logits.gather(-1, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)
            for row, index in enumerate(chunk):
                scores[index] = chosen[row, : len(rows[row]) - 1]
        return scores

    @torch.inference_mode()
    def generate(self, draws: Sequence[Draw]) -> list[Answer]:
        """One answer a draw, drawn together; finished ones leave the batch when half of it is done."""
        answers = [Answer([], [], False) for _ in draws]
        uniform = [np.random.Generator(np.random.Philox(key=_philox(d.stream))).random(d.limit) for d in draws]
        active = list(range(len(draws)))
        width = max(len(draw.prompt) for draw in draws)
        ids = torch.tensor([[0] * (width - len(d.prompt)) + d.prompt for d in draws])
        mask = torch.tensor([[0] * (width - len(d.prompt)) + [1] * len(d.prompt) for d in draws])
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = None
        while active:
            out = self.network(
                ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            open_rows = [row for row, index in enumerate(active) if not self._done(answers[index], draws[index])]
            tokens = self._draw(out.logits[:, -1].float(), open_rows, active, draws, answers, uniform)
            still = [row for row in open_rows if not self._done(answers[active[row]], draws[active[row]])]
            if not still:
                break
            if len(still) <= len(active) // 2:
                keep = torch.tensor(still)
                cache.batch_select_indices(keep)
                tokens, mask, positions = tokens[keep], mask[keep], positions[keep]
                active = [active[row] for row in still]
            ids = tokens[:, None]
            mask = torch.cat([mask, torch.ones(len(active), 1, dtype=mask.dtype)], dim=1)
            positions = positions[:, -1:] + 1
        return answers

    def _draw(
        self,
        logits: Tensor,
        rows: list[int],
        active: list[int],
        draws: Sequence[Draw],
        answers: list[Answer],
        uniform: list[np.ndarray],
    ) -> Tensor:
        """Draw the next token of each open row by inverting the cumulated distribution; closed rows get token 0."""
        tokens = torch.zeros(len(active), dtype=torch.long)
        picked = torch.tensor(rows)
        temperatures = torch.tensor([max(draws[active[row]].temperature, 1e-6) for row in rows])
        log_probs = (logits[picked] / temperatures[:, None]).log_softmax(-1)
        numbers = torch.tensor([uniform[active[row]][len(answers[active[row]].tokens)] for row in rows])
        cumulated = log_probs.double().exp().cumsum(-1)
        drawn = torch.searchsorted(cumulated, (numbers.double() * cumulated[:, -1])[:, None])[:, 0]
        greedy = torch.tensor([draws[active[row]].temperature == 0 for row in rows])
        drawn = torch.where(greedy, log_probs.argmax(-1), drawn.clamp(max=log_probs.shape[-1] - 1))
        chosen = log_probs.gather(1, drawn[:, None])[:, 0].tolist()
        for row, token, log_prob in zip(rows, drawn.tolist(), chosen, strict=True):
            answer = answers[active[row]]
            answer.tokens.append(token)
            answer.log_probs.append(log_prob)
            answer.ended = token in self.end_tokens
        tokens[picked] = drawn
        return tokens

    @staticmethod
    def _done(answer: Answer, draw: Draw) -> bool:
        return answer.ended or len(answer.tokens) >= draw.limit


def chunks(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indexes of sequences put together, longest first, so that rows times the longest stay within `budget`."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    found: list[list[int]] = []
    for index in order:
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= budget:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def _philox(stream: tuple[int, ...]) -> np.ndarray:
    return np.array(stream, dtype=np.uint32).view(np.uint64)
