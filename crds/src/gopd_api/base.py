"""The base of every shared type: camelCase outside, snake_case inside, no unknown field, and rules kept beside the type.

A rule is what a structural schema cannot say. It is written once, with its CEL form for the API server and its Python
form for `gopd validate`, so that the two cannot drift apart unseen. This module does not word errors: see `faults`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Rule:
    """A cross-field rule of one type.

    `field` is the camelCase path below the type, `fault` and `remedy` are clauses of one sentence; both may hold
    `{name}` placeholders, filled from what `holds` returned when it returned a mapping.
    """

    field: str
    fault: str
    remedy: str
    holds: Callable[[Any], bool | dict[str, object]]
    """True when the rule holds; False, or a mapping of placeholders, when it is broken."""
    cel: str | None = None
    """The same rule for the API server, or None where CEL cannot see what it needs (say, in `why_no_cel`)."""
    why_no_cel: str = ""


class Model(BaseModel):
    """A value: frozen, camelCase on the outside, and refusing fields that it does not know."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in type(self).rules:
            outcome = rule.holds(self)
            if outcome is True:
                continue
            words = outcome if isinstance(outcome, dict) else {}
            raise PydanticCustomError(
                "rule",
                "{fault}; {remedy}",
                {"field": rule.field, "fault": rule.fault.format(**words), "remedy": rule.remedy.format(**words)},
            )
        return self

    def to_json(self) -> str:
        """The message as it is written to files: camelCase, without fields that are not set, indented."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
"""A DNS label of at most 40 characters: child objects append suffixes to it."""

ModelUri = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^(hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}|[^:\s@]+)$")]
"""`hf://org/name@<40 hex digits of a revision>`, or a path: absolute, or below the storage root."""

Path = Annotated[str, Field(min_length=1, max_length=1024)]
"""A path: absolute, or below the storage root (the mounted volume; with `gopd run` the work directory)."""

Text = Annotated[str, Field(min_length=1, max_length=256)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
