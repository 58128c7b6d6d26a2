"""What a spool holds: one JSON line for each call of the tracker.

An entry says what was logged and when (milliseconds since 1970, the timestamp of its points), never how far it got.
Numbers may be NaN or Infinity, written as those words.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


class Entry(BaseModel):
    """A line of the spool."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
    time_ms: int


class Attached(Entry):
    """An attempt began: the run is created or opened again, and gets the request's tags."""

    kind: Literal["attached"] = "attached"


class Metrics(Entry):
    """Points of one step."""

    kind: Literal["metrics"] = "metrics"
    step: int
    values: dict[str, float]


class Params(Entry):
    """Parameters, flat and within MLflow's limits."""

    kind: Literal["params"] = "params"
    values: dict[str, str]


class Tags(Entry):
    """Tags, within MLflow's limits; a later value replaces an earlier one."""

    kind: Literal["tags"] = "tags"
    values: dict[str, str]


class Note(Entry):
    """Facts to add to the JSON object in one tag."""

    kind: Literal["note"] = "note"
    tag: str
    facts: dict[str, str]


class TextArtifact(Entry):
    """A text to keep as an artifact."""

    kind: Literal["text"] = "text"
    name: str
    text: str


class TableArtifact(Entry):
    """A table to keep as an artifact that MLflow shows as one."""

    kind: Literal["table"] = "table"
    name: str
    columns: dict[str, list[str | float | None]]


class FileArtifact(Entry):
    """A file to keep as an artifact, read when it is sent."""

    kind: Literal["file"] = "file"
    name: str
    path: str


class Checkpoint(Entry):
    """A checkpoint, to be listed as a LoggedModel."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str
    export: str | None = None
    digest: str | None = None
    metrics: dict[str, float] = {}


class Ended(Entry):
    """The attempt ended."""

    kind: Literal["ended"] = "ended"
    status: RunStatus


AnyEntry = Annotated[
    Attached | Metrics | Params | Tags | Note | TextArtifact | TableArtifact | FileArtifact | Checkpoint | Ended,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[AnyEntry] = TypeAdapter(AnyEntry)


def parse(line: bytes) -> AnyEntry:
    """The entry of a line; raises pydantic.ValidationError for a torn or foreign one."""
    return _ADAPTER.validate_json(line)
