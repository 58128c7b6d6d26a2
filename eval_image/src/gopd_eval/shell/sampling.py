"""Drawing the next token, each answer from its own stream of random numbers.

A token is drawn by inverting the cumulative distribution at one uniform number of the answer's stream. What else is in
the batch therefore changes a draw only where the last bits of the logits move a boundary across that number.
"""

from collections.abc import Sequence

import numpy as np
import torch


class Streams:
    """One stream of uniform numbers for each answer: Philox, keyed by the answer's seed."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]

    def next(self, rows: Sequence[int]) -> torch.Tensor:
        """The next uniform number in [0, 1) of each of these answers; float64, shape [rows]."""
        return torch.tensor([self._generators[row].random() for row in rows], dtype=torch.float64)


def next_tokens(logits: torch.Tensor, uniforms: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Draw one token for each row of `logits` [rows, vocabulary]; int64, shape [rows].

    Temperature 0 takes the most likely token. `top_p` keeps the most likely tokens until their probability reaches it.
    """
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        outside = ordered.double().cumsum(-1) - ordered >= top_p
        probabilities = probabilities.masked_fill(outside.scatter(-1, order, outside), 0.0)
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    aim = uniforms.to(cumulative.device)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, aim, right=True).clamp_(max=logits.shape[-1] - 1)[:, 0]
