"""Reads what a sandboxed program gave back, and compares it with what the reference program gave.

It decides equality as EvalPlus defines it: exact, with a tolerance for floating point numbers, and by a rule of its own
for a few tasks. Only built-in types are ever made of a line, so a comparison runs no code of the program's. Where
preset `strict` differs from the published rules it says so.
"""

import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Preset = Literal["strict", "seed"]
FEW = 1000
"""So many values that collide cost nothing that is worth to be refused."""
RELATIVE = 1e-7
FLOAT_TOLERANCE = 1e-6


class UnreadableError(ValueError):
    """A line that `inside.encode` did not write."""


@dataclass(frozen=True)
class Opaque:
    """A value whose type is not compared: equal to nothing, not even to itself. `text` is set for types with one."""

    kind: str
    text: str | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Opaque) and self.text is not None and (self.kind, self.text) == (other.kind, other.text)
        )

    __hash__ = object.__hash__


def read(line: bytes) -> Any:
    """The value. Raises UnreadableError."""
    try:
        return _value(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise UnreadableError(str(error)[:200]) from None


def _value(wire: Any) -> Any:
    if isinstance(wire, list):
        return [_value(item) for item in wire]
    if isinstance(wire, dict):
        ((tag, content),) = wire.items()
        return _TAGS[tag](content)
    return wire


def _scalar(content: Any) -> Any:
    return _value(content[1])


def as_set(items: Collection[Any]) -> set[Any]:
    """Raises UnreadableError when most have the same hash: making a set of them would take hours, as was wanted."""
    if len(items) > FEW and len(set(map(hash, items))) < len(items) / 2:
        raise UnreadableError("values that were chosen to collide")
    return set(items)


def _dictionary(pairs: Any) -> dict[Any, Any]:
    keys = [_value(key) for key, _ in pairs]
    as_set(keys)
    return dict(zip(keys, (_value(item) for _, item in pairs), strict=True))


def _items(content: Any) -> list[Any]:
    return [_value(item) for item in content]


_TAGS: dict[str, Callable[[Any], Any]] = {
    "i": lambda text: int(text, 16),
    "f": float,
    "t": lambda items: tuple(_items(items)),
    "s": lambda items: as_set(_items(items)),
    "z": lambda items: frozenset(as_set(_items(items))),
    "d": _dictionary,
    "b": bytes.fromhex,
    "B": lambda text: bytearray(bytes.fromhex(text)),
    "c": lambda parts: complex(_value(parts[0]), _value(parts[1])),
    "n": _scalar,
    "a": lambda parts: Opaque(f"array {parts[0]} {parts[1]}", json.dumps(parts[2])),
    "h": lambda parts: Opaque(f"large {parts[0]}", str(parts[1])),
    "o": lambda parts: Opaque(str(parts[0]), str(parts[1])),
    "?": lambda name: Opaque(str(name)),
}


def holds_nan(line: bytes) -> bool:
    """Whether the line may hold a value that is not equal to itself."""
    return b'"nan"' in line or b'"?"' in line


def is_floats(value: Any) -> bool:
    """What EvalPlus compares with a tolerance though the task names none."""
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def close(given: Any, wanted: Any, atol: float) -> bool:
    """numpy's `allclose` as EvalPlus calls it, on values of the same type and length."""
    if type(given) is not type(wanted) or (isinstance(wanted, list | tuple) and len(given) != len(wanted)):
        return False
    try:
        return bool(np.allclose(given, wanted, rtol=RELATIVE, atol=atol))
    except (TypeError, ValueError, OverflowError):
        return False


def equal(given: Any, wanted: Any, preset: Preset) -> bool:
    """Python's `==`; in `strict`, a value that is not a number equals itself."""
    try:
        return bool(given == wanted) or (preset == "strict" and _same_with_nan(given, wanted))
    except RecursionError:
        return False


def _same_with_nan(given: Any, wanted: Any) -> bool:
    if isinstance(given, float) and isinstance(wanted, float):
        return given == wanted or (math.isnan(given) and math.isnan(wanted))
    if type(given) is not type(wanted):
        return False
    if isinstance(wanted, list | tuple):
        return len(given) == len(wanted) and all(map(_same_with_nan, given, wanted))
    if isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same_with_nan(given[key], wanted[key]) for key in wanted)
    return bool(given == wanted)
