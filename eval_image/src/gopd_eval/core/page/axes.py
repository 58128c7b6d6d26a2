"""Axes: from numbers to places on a plot, and which ticks are marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """Numbers from `low` to `high` on places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a number stands, at the edge when it is beyond the axis."""
        low, high, value = (math.log2(v) if self.logarithmic else v for v in (self.low, self.high, value))
        share = 0.5 if high == low else (min(max(value, low), high) - low) / (high - low)
        return self.start + share * (self.end - self.start)


def axis(values: Sequence[float], start: float, end: float, zero: bool = False, share: bool = False) -> Axis:
    """A linear axis over all values with round ends; with `zero` it holds 0, with `share` it is 0 to 1."""
    low, high = (0.0, 1.0) if share else (min(values, default=0.0), max(values, default=1.0))
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 0:
        low, high = low - 0.5, high + 0.5
    step = round_step((high - low) / 5)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    count = round((high - low) / step)
    return Axis(low, high, start, end, tuple(round(low + step * place, 12) for place in range(count + 1)))


def doubling_axis(values: Sequence[int], start: float, end: float) -> Axis:
    """A logarithmic axis whose ticks are the values."""
    return Axis(min(values), max(values), start, end, tuple(float(v) for v in sorted(set(values))), logarithmic=True)


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `rough`."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))


def tick_label(value: float) -> str:
    """A tick in as few digits as it has."""
    return f"{value:,.6g}".replace("-", "−")
