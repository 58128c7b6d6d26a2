"""The one way to draw answers, whatever computes them.

An engine takes token ids and gives token ids. It decides nothing about prompts, problems or files. `generate` takes
everything that is wanted of a model at once, whatever task it is of, and yields each answer as soon as it may be
written down, in any order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gopd_api.requests import Drawing
from gopd_eval.core.samples import Finish


@dataclass(frozen=True)
class Draw:
    """One answer to draw: the prompt's token ids, the seed of the answer's own random stream, and how it is drawn."""

    prompt: list[int]
    seed: int
    how: Drawing


@dataclass(frozen=True)
class Drawn:
    """Token ids of an answer, with the token that ended it, and how it ended."""

    tokens: list[int]
    finish: Finish


class Engine(Protocol):
    """A loaded model that draws answers."""

    context: int | None
    """Tokens of prompt and answer together that the model takes; None when it does not say."""

    def generate(self, draws: Sequence[Draw], beat: Callable[[], None]) -> Iterator[tuple[int, Drawn]]:
        """Draw; yields (place in `draws`, answer). `beat` is called at every step and may raise to stop."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
