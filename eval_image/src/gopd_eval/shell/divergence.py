"""KL(subject || teacher) over the full vocabulary at every position of given answers.

For an answer y to a prompt x, position t compares p = subject(. | x, y_<t) with q = teacher(. | x, y_<t), both at
temperature 1: KL_t = sum_v p_v (log p_v - log q_v), in nats, in float64. Memory is bounded: both models go through an
answer in pieces with their caches, and a piece holds at most `LOGITS_BUDGET` logits a model. It does not decide which
answers are compared.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from gopd_eval.shell.transformers_engine import left_padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOGITS_BUDGET = 2**26
"""Logits of one piece of one model: 256 MiB in float32."""
TOKENS_BUDGET = 2**11
"""Tokens of a batch, padding included."""
SLICE = 32
"""Rows of the vocabulary's width that are turned into float64 at once."""

Sequence2 = tuple[list[int], list[int]]
"""Token ids of the prompt and of the answer."""


@torch.inference_mode()
def answer_divergences(
    subject: "PreTrainedModel", teacher: "PreTrainedModel", answers: Sequence[Sequence2], beat: Callable[[], None]
) -> Iterator[list[float]]:
    """The sum of KL_t over each answer, batch after batch, in order; a list for each batch.

    Models may differ in unused rows at the end of the vocabulary: the rows that both have are compared.
    """
    width = max(_vocabulary(subject), _vocabulary(teacher))
    for batch in _batches(answers):
        yield _batch_divergences(subject, teacher, batch, width, beat)


def _batches(answers: Sequence[Sequence2]) -> Iterator[list[Sequence2]]:
    """Neighbours together, as many as the token budget holds with padding."""
    batch: list[Sequence2] = []
    for answer in answers:
        longest = max(len(prompt) + len(tokens) for prompt, tokens in [*batch, answer])
        if batch and longest * (len(batch) + 1) > TOKENS_BUDGET:
            yield batch
            batch = []
        batch.append(answer)
    if batch:
        yield batch


def _batch_divergences(
    subject: "PreTrainedModel",
    teacher: "PreTrainedModel",
    batch: Sequence[Sequence2],
    width: int,
    beat: Callable[[], None],
) -> list[float]:
    inputs, mask = left_padded([prompt + tokens for prompt, tokens in batch], subject.device)
    longest = max(len(tokens) for _, tokens in batch)
    lengths = torch.tensor([len(tokens) for _, tokens in batch], device=inputs.device)
    # Answers end together at the right. Column c of the answer's part is a token of row r when c >= longest -
    # length(r).
    own = torch.arange(longest, device=inputs.device)[None, :] >= longest - lengths[:, None]
    piece = max(1, LOGITS_BUDGET // (width * len(batch)))
    totals = torch.zeros(len(batch), dtype=torch.float64, device=inputs.device)
    pieces = zip(
        _answer_logits(subject, inputs, mask, longest, piece, beat),
        _answer_logits(teacher, inputs, mask, longest, piece, beat),
        strict=True,
    )
    done = 0
    for p_logits, q_logits in pieces:
        columns = own[:, done : done + p_logits.shape[1]]
        done += p_logits.shape[1]
        rows = columns.nonzero()[:, 0]
        totals.index_add_(0, rows, divergence(p_logits[columns], q_logits[columns]))
    return [float(total) for total in totals]


def _answer_logits(
    model: "PreTrainedModel",
    inputs: torch.Tensor,
    mask: torch.Tensor,
    longest: int,
    piece: int,
    beat: Callable[[], None],
) -> Iterator[torch.Tensor]:
    """Logits that predict the last `longest` tokens, in pieces [rows, <= piece, vocabulary], left to right."""
    first = inputs.shape[1] - longest - 1
    start, cache = 0, None
    while start < inputs.shape[1] - 1:
        end = min(max(start, first) + piece, inputs.shape[1] - 1)
        positions = (mask[:, :end].cumsum(-1) - 1).clamp(min=0)[:, start:]
        beat()
        last = end == inputs.shape[1] - 1
        output = model(
            input_ids=inputs[:, start:end], attention_mask=mask[:, :end], position_ids=positions, past_key_values=cache,
            use_cache=not last or cache is not None, logits_to_keep=end - max(start, first),
        )  # fmt: skip
        cache, start = output.past_key_values, end
        yield output.logits


def divergence(p_logits: torch.Tensor, q_logits: torch.Tensor) -> torch.Tensor:
    """KL(p || q) of each row, float64 [rows], from logits [rows, vocabulary] of either precision."""
    rows = min(p_logits.shape[-1], q_logits.shape[-1])
    found = [torch.zeros(0, dtype=torch.float64, device=p_logits.device)]
    for p_slice, q_slice in zip(p_logits.split(SLICE), q_logits.split(SLICE), strict=True):
        log_p = torch.log_softmax(p_slice[:, :rows].double(), dim=-1)
        log_q = torch.log_softmax(q_slice[:, :rows].double(), dim=-1)
        found.append((log_p.exp() * (log_p - log_q)).sum(-1))
    return torch.cat(found)


def _vocabulary(model: "PreTrainedModel") -> int:
    return int(model.get_output_embeddings().weight.shape[0])
