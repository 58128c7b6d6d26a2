"""Values as one line of JSON that keeps their types: lists and tuples, sets, bytes, big integers, infinities.

It decides what a program's value is on the wire. It runs beside programs nobody trusts, so whoever reads a line
believes nothing of it: `core.code.values` reads built-in types only.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any

MAX_DEPTH, MAX_VALUES = 200, 2_000_000
MANY, LARGE = 200_000, 4 << 20
"""Items, or bytes, beyond which a value is sent as a digest."""
SMALL = 1 << 53
_PLAIN = frozenset((int, float, str, bool, type(None)))
_AS_THEY_ARE = frozenset((str, bool, type(None)))
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_NAMED = {"Decimal", "Fraction", "date", "datetime", "time", "timedelta", "UUID", "ellipsis", "range"}
"""Types of the standard library that are compared by type and text."""
_SEQUENCES: tuple[tuple[type, str], ...] = ((tuple, "t"), (set, "s"), (frozenset, "z"))


class _Writer:
    """One value; counts what it holds, so that a value that contains itself many times ends."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def wire(self, value: Any, depth: int = 0) -> Any:
        """What `json` can write."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -SMALL < value < SMALL else {"i": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"f": repr(value)}
        self._left -= 1
        if depth >= MAX_DEPTH or self._left < 0:
            return {"?": "a value too deep or too large"}
        return self._container(value, kind, depth + 1)

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, list):
            return self._items(value, depth)
        for base, tag in _SEQUENCES:
            if issubclass(kind, base):
                items = self._items(value, depth)
                return {tag: items if tag == "t" else sorted(items, key=_sort_key)}
        if issubclass(kind, dict):
            return {"d": [[self.wire(key, depth), self.wire(item, depth)] for key, item in dict.items(value)]}
        return self._other(value, kind, depth)

    def _items(self, values: Iterable[Any], depth: int) -> list[Any]:
        found = list(values)
        self._left -= len(found)
        if self._left < 0:
            return [{"?": "a value too large"}]
        kinds = set(map(type, found))
        if kinds <= _AS_THEY_ARE or (kinds == {int} and min(found) > -SMALL and max(found) < SMALL):
            return found  # what `wire` would make of each, for the many lists that hold nothing else
        return [self.wire(item, depth) for item in found]

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, bytes | bytearray):
            return {"b" if issubclass(kind, bytes) else "B": bytes(value).hex()}
        if issubclass(kind, complex):
            return {"c": [self.wire(value.real), self.wire(value.imag)]}
        for base in (int, float, str):
            if issubclass(kind, base) and kind.__module__ != "numpy":
                return self.wire(base(value), depth)
        if kind.__module__ == "numpy":
            return self._numpy(value, kind, depth)
        if kind.__name__ in ("dict_keys", "dict_items", "odict_keys", "odict_items"):
            return {"s": sorted(self._items(value, depth), key=_sort_key)}
        if kind.__name__ in _NAMED:
            return {"o": [kind.__name__, repr(value)]}
        return {"?": kind.__name__}

    def _numpy(self, value: Any, kind: type, depth: int) -> Any:
        """Scalars keep that they are numpy's, arrays their type of element and their shape."""
        if kind.__name__ == "ndarray":
            return {"a": [str(value.dtype), list(value.shape), self.wire(value.tolist(), depth)]}
        return (
            {"n": [kind.__name__, self.wire(value.item(), depth)]} if hasattr(value, "item") else {"?": kind.__name__}
        )


def _sort_key(item: Any) -> str:
    return json.dumps(item)


def encode(value: Any) -> bytes:
    """One line, without its end. Of a large value only a digest: it is compared by type and text alone."""
    kind = type(value)
    if kind in (list, tuple) and len(value) > MANY:
        digest = hashlib.sha256()
        for item in value:
            digest.update(_text(item) + b"\n")
        return _large(kind.__name__, len(value), digest.hexdigest())
    line = _line(value)
    return line if len(line) <= LARGE else _large(kind.__name__, len(line), hashlib.sha256(line).hexdigest())


def _text(item: Any) -> bytes:
    """The same for the same value, as fast as Python writes it: large values are lists of short ones."""
    if type(item) in (list, tuple) and _PLAIN.issuperset(map(type, item)):
        return repr(item).encode(errors="surrogatepass")
    return _line(item)


def _line(value: Any) -> bytes:
    return _JSON(_Writer().wire(value)).encode()


def _large(kind: str, size: int, digest: str) -> bytes:
    return json.dumps({"h": [f"{kind} of {size}", digest]}).encode()
