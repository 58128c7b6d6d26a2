"""The one way to draw answers, whatever computes them.

An engine takes token ids and gives token ids. It decides nothing about prompts, problems or files. `generate` yields
each answer as soon as it may be written down, in any order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gopd_api.requests import Drawing
from gopd_eval.core.samples import Finish


@dataclass(frozen=True)
class Draw:
    """One answer to draw: the prompt's token ids and the seed of the answer's own random stream."""

    prompt: list[int]
    seed: int


@dataclass(frozen=True)
class Drawn:
    """Token ids of an answer, with the token that ended it, and how it ended."""

    tokens: list[int]
    finish: Finish


class Engine(Protocol):
    """A loaded model that draws answers."""

    context: int | None
    """Tokens of prompt and answer together that the model takes; None when it does not say."""

    def generate(
        self, draws: Sequence[Draw], sampling: Drawing, beat: Callable[[], None]
    ) -> Iterator[tuple[int, Drawn]]:
        """Draw; yields (place in `draws`, answer). `beat` is called at every step and may raise to stop."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
