"""What can be told about a file of training prompts before anything starts: how many, which domains, what is wrong.

It does not count tokens: the trainer does, and refuses prompts that are too long.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gopd_api.training import Data

MOST_FAULTS = 3


@dataclass
class Prompts:
    """A file of prompts: how many there are, how many of each domain, and its faults (fault; remedy)."""

    count: int = 0
    domains: dict[str, int] = field(default_factory=dict)
    without_domain: int = 0
    faults: list[str] = field(default_factory=list)


def read_prompts(path: Path, data: Data) -> Prompts:
    """Go through the file once. A file that cannot be read is a fault, not an error."""
    found = Prompts()
    try:
        for place, row in _rows(path, data):
            _add(found, place, row, data)
            if len(found.faults) >= MOST_FAULTS:
                break
    except _Unreadable as error:
        found.faults.append(str(error))
    if not found.count and not found.faults:
        found.faults.append(
            f"{path} has no prompts; give one {'JSON object a line' if data.format == 'jsonl' else 'row a prompt'}"
        )
    return found


def _add(found: Prompts, place: str, row: Any, data: Data) -> None:
    found.count += 1
    if not isinstance(row, dict):
        found.faults.append(f"{place} is no JSON object; write one object a line")
        return
    if data.prompt_field not in row:
        fields = ", ".join(sorted(map(str, row))) or "none"
        found.faults.append(
            f"{place} has no field {data.prompt_field!r}; set data.promptField to one of its fields: {fields}"
        )
    elif not row[data.prompt_field]:
        found.faults.append(f"{place} has an empty {data.prompt_field!r}; remove it")
    domain = row.get(data.domain_field)
    if domain is None:
        found.without_domain += 1
    else:
        found.domains[str(domain)] = found.domains.get(str(domain), 0) + 1


class _Unreadable(Exception):
    """The file cannot be gone through; the message is fault; remedy."""


def _rows(path: Path, data: Data) -> Iterator[tuple[str, Any]]:
    if not path.is_file():
        raise _Unreadable(f"no file {path}")
    yield from _json_lines(path) if data.format == "jsonl" else _table_rows(path, data)


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"line {number} of {path}"
            try:
                text = line.decode("utf-8")
                if text.strip():
                    yield where, json.loads(text)
            except UnicodeDecodeError:
                remedy = "copy the file again if it was cut off, or set data.format if it is a Parquet file"
                raise _Unreadable(f"{where} is no UTF-8 text; {remedy}") from None
            except json.JSONDecodeError as error:
                fault = f"{where} is not JSON ({error.msg} at character {error.pos + 1})"
                remedy = "write one JSON object a line, or copy the file again if it was cut off"
                raise _Unreadable(f"{fault}; {remedy}") from None


def _table_rows(path: Path, data: Data) -> Iterator[tuple[str, Any]]:
    # Only tables need it, and it costs a third of a second.
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path)
        wanted = [name for name in (data.prompt_field, data.domain_field) if name in table.schema_arrow.names]
        if data.prompt_field not in wanted:
            fields = ", ".join(table.schema_arrow.names)
            raise _Unreadable(f"{path} has no column {data.prompt_field!r}; set data.promptField to one of: {fields}")
        number = 0
        for batch in table.iter_batches(columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number} of {path}", row
    except pyarrow.ArrowException as error:
        raise _Unreadable(f"{path} is no Parquet file ({str(error).splitlines()[0]}); set data.format") from None
