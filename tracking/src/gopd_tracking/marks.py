"""Which points a run already has, so that an attempt that goes back some steps adds none twice.

Pure. A curve of training is written in the order of its steps: one number a key is enough, its highest step. An
evaluation arrives in any order (checkpoints are measured beside the training), so `eval/...` keeps every step of a key.
"""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

EVALUATION = "eval/"


class Marks(BaseModel):
    """Steps that need not be sent again, by metric name."""

    highest: dict[str, int] = {}
    evaluated: dict[str, list[int]] = {}

    def lacks(self, key: str, step: int) -> bool:
        """True when the run has no point of `key` at `step` (nor, in a curve of training, behind it)."""
        if key.startswith(EVALUATION):
            return step not in self.evaluated.get(key, ())
        return step > self.highest.get(key, -1)

    def add(self, key: str, steps: Iterable[int]) -> None:
        """Remember that the run has these points."""
        if key.startswith(EVALUATION):
            self.evaluated[key] = sorted({*self.evaluated.get(key, ()), *steps})
        else:
            self.highest[key] = max([self.highest.get(key, -1), *steps])

    def lacking(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """The part of `values` that the run has not at `step`; remembered as sent."""
        missing = {key: value for key, value in values.items() if self.lacks(key, step)}
        for key in missing:
            self.add(key, [step])
        return missing
