"""Names, numbers and texts in the form that MLflow takes.

Pure. The limits are MLflow's own (mlflow/utils/validation.py, 3.17); it would cut long values without a word and refuse
a whole batch for one bad name, so both are settled here, before anything is spooled.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")

NAME_LIMIT = 250
PARAM_LIMIT = 6000
TAG_LIMIT = 8000
METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
BATCH_BYTES = 900_000
"""MLflow refuses requests above 1 MB; the rest is for the envelope."""

_NOT_IN_NAMES = re.compile(r"[^/\w.\- :]")
MORE = "(more)"
"""Key of a note that counts what no longer fitted."""


def name(text: str) -> str:
    """`text` as a metric, parameter or tag name: `@` becomes `_at_`, other characters that MLflow refuses `_`.

    Raises ValueError for a name that stays empty or is longer than 250 characters.
    """
    cleaned = _NOT_IN_NAMES.sub("_", text.replace("@", "_at_"))
    cleaned = "/".join(part for part in cleaned.split("/") if part not in ("", ".", ".."))
    if not cleaned:
        raise ValueError("the name is empty")
    if len(cleaned) > NAME_LIMIT:
        raise ValueError(f"the name has {len(cleaned)} characters, MLflow takes {NAME_LIMIT}")
    return cleaned


def numbers(values: Mapping[str, object]) -> tuple[dict[str, float], dict[str, str]]:
    """The values that are numbers, by clean name, and the reason for each that is not one.

    NaN and infinities are numbers: MLflow keeps NaN as such and shows an infinity as the largest double.
    """
    taken: dict[str, float] = {}
    refused: dict[str, str] = {}
    for key, value in values.items():
        try:
            clean = name(key)
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError) as error:
            refused[key[:NAME_LIMIT]] = str(error)[:200]
            continue
        if clean in taken:
            refused[key] = f"another metric of this step is already named {clean}"
        else:
            taken[clean] = number
    return taken, refused


def flatten(mapping: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested parameters as `outer.inner`; members of a list of objects as `list.0.inner`; other lists as JSON."""
    flat: dict[str, str] = {}
    for key, value in mapping.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, path + ".") if value else {path: "{}"}
        elif isinstance(value, list | tuple) and any(isinstance(member, Mapping) for member in value):
            flat |= flatten({str(place): member for place, member in enumerate(value)}, path + ".")
        elif isinstance(value, list | tuple):
            flat[path] = json.dumps(value, ensure_ascii=False, default=str)
        else:
            flat[path] = str(value)
    return flat


def texts(values: Mapping[str, str], limit: int) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Values by clean name, cut at `limit` characters; what was cut (full length); what was refused (reason)."""
    taken: dict[str, str] = {}
    cut: dict[str, str] = {}
    refused: dict[str, str] = {}
    for key, value in values.items():
        try:
            clean = name(key)
        except ValueError as error:
            refused[key[:NAME_LIMIT]] = str(error)
            continue
        if clean in taken:
            refused[key] = f"another name here is already written {clean}"
            continue
        if len(value) > limit:
            cut[clean] = f"{len(value)} characters, cut at {limit}"
        taken[clean] = value[:limit]
    return taken, cut, refused


def merged_note(current: str | None, news: Mapping[str, object]) -> str:
    """A tag's JSON object with `news` added, at most 8000 characters; what does not fit is counted under `(more)`."""
    try:
        known = json.loads(current) if current else {}
    except ValueError:
        known = {"(unreadable)": current}
    if not isinstance(known, dict):
        known = {"(unreadable)": current}
    dropped = int(known.pop(MORE, 0))
    merged = known | dict(news)
    while True:
        whole = merged | ({MORE: dropped} if dropped else {})
        text = json.dumps(whole, ensure_ascii=False, default=str)
        if len(text) <= TAG_LIMIT:
            return text
        merged.pop(next(reversed(merged)))
        dropped += 1


def batches(items: Iterable[Item], most: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """`items` in order, at most `most` and 900 kB (by `size`, in bytes) at once."""
    batch: list[Item] = []
    weight = 0
    for item in items:
        bytes_of_item = size(item)
        if batch and (len(batch) == most or weight + bytes_of_item > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(item)
        weight += bytes_of_item
    if batch:
        yield batch


def json_size(parts: Sequence[str]) -> int:
    """Bytes that `parts` take in a JSON request, with room for field names."""
    return len(json.dumps(list(parts))) + 60
