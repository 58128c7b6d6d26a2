"""Answers drawn with transformers: small models on a CPU.

Batches of left-padded prompts with a key-value cache; rows that have ended are taken out of the batch. A stopped or
killed process loses the batch at hand and nothing else. Models without a key-value cache whose rows can be selected
keep their ended rows to the end of the batch. Multimodal models are not supported.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING

import torch

from gopd_api.requests import Drawing
from gopd_eval.core.samples import Finish
from gopd_eval.shell.engine import Draw, Drawn
from gopd_eval.shell.sampling import Streams, next_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

COMPACT_BELOW = 0.8
"""A batch is made smaller when less than this share of its rows is still being drawn."""


class TransformersEngine:
    """Draws from a loaded causal language model."""

    def __init__(self, model: "PreTrainedModel", stop: frozenset[int]) -> None:
        self.model, self._stop = model, stop
        self.context: int | None = getattr(model.config, "max_position_embeddings", None)

    def generate(self, draws: Sequence[Draw], beat: Callable[[], None]) -> Iterator[tuple[int, Drawn]]:
        """Draw batch after batch, in order; yields when a batch is complete. A batch is drawn in one way."""
        start = 0
        for how, same in groupby(draws, key=lambda draw: draw.how):
            for batch in batched(same, how.batch_size):
                yield from enumerate(self._draw_batch(batch, how, beat), start=start)
                start += len(batch)

    def close(self) -> None:
        """Nothing to do: the model belongs to whoever loaded it."""

    @torch.inference_mode()
    def _draw_batch(self, batch: Sequence[Draw], sampling: Drawing, beat: Callable[[], None]) -> list[Drawn]:
        budgets = [answer_budget(self.context, len(draw.prompt), sampling.max_response_tokens) for draw in batch]
        answers: list[list[int]] = [[] for _ in batch]
        finishes: list[Finish] = ["length"] * len(batch)
        streams = Streams([draw.seed for draw in batch])
        inputs, mask = left_padded([draw.prompt for draw in batch], self.model.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        rows, cache = list(range(len(batch))), None
        while rows:
            beat()
            output = self.model(
                input_ids=inputs, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            cache = output.past_key_values
            drawn = next_tokens(output.logits[:, -1], streams.next(rows), sampling.temperature, sampling.top_p)
            going: list[bool] = []
            for row, token in zip(rows, drawn.tolist(), strict=True):
                if finishes[row] == "length" and len(answers[row]) < budgets[row]:
                    answers[row].append(token)
                    finishes[row] = "stop" if token in self._stop else "length"
                going.append(finishes[row] == "length" and len(answers[row]) < budgets[row])
            if not any(going):
                break
            if sum(going) < COMPACT_BELOW * len(rows) and hasattr(cache, "batch_select_indices"):
                keep = torch.tensor([place for place, on in enumerate(going) if on], device=mask.device)
                cache.batch_select_indices(keep)
                rows, drawn, mask, positions = [rows[i] for i in keep], drawn[keep], mask[keep], positions[keep]
            inputs = drawn[:, None]
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            positions = positions[:, -1:] + 1
        return [Drawn(tokens, finish) for tokens, finish in zip(answers, finishes, strict=True)]


def batched(draws: Iterable[Draw], size: int) -> Iterator[list[Draw]]:
    """The draws in lists of `size`; the last may be shorter."""
    rest = iter(draws)
    while batch := list(islice(rest, size)):
        yield batch


def answer_budget(context: int | None, prompt: int, wanted: int) -> int:
    """Tokens that an answer may take: what is wanted, or what the context leaves after the prompt (at least 1)."""
    return wanted if context is None else max(1, min(wanted, context - prompt))


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both [rows, longest]; padding (masked, so any id will do) comes first."""
    width = max(len(row) for row in rows)
    inputs = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for place, row in enumerate(rows):
        inputs[place, width - len(row) :] = torch.tensor(row)
        mask[place, width - len(row) :] = 1
    return inputs.to(device), mask.to(device)
