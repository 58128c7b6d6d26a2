"""The base of every shared type: camelCase outside, snake_case inside, no unknown field, rules kept beside the type.

A rule is what a structural schema cannot say. It is written once, with its CEL form for the API server and its Python
form for `gopd validate`, so that the two cannot drift apart unseen. This module does not word errors: see `faults`.
"""

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

Words = Mapping[str, object]
"""What to put for the `{placeholders}` of a rule's texts: one mapping for each place where the rule is broken."""


@dataclass(frozen=True)
class Rule:
    """A cross-field rule of one type.

    `field` is the camelCase path below the type, `fault` and `remedy` are clauses of one sentence; all three may hold
    `{name}` placeholders.
    """

    field: str
    fault: str
    remedy: str
    breaks: Callable[[Any], Iterable[Words]]
    """Where a value breaks the rule: the placeholders' values, once for each place; nothing when the rule holds."""
    cel: str | None = None
    """The same rule for the API server, true when it holds. None where CEL or the schema says it otherwise."""
    why_no_cel: str = ""
    general: Words = dataclasses.field(default_factory=dict)
    """What the placeholders read as where no value is at hand: in the API server's message and in the reference."""

    def message(self, words: Words) -> str:
        """Fault and remedy with the placeholders filled."""
        return f"{self.fault.format(**words)}; {self.remedy.format(**words)}"

    def general_message(self) -> str:
        """Field, fault and remedy without a value."""
        field = self.field.format(**{"index": "", **self.general})
        return f"{field}: {self.message(self.general)}"


def unless(holds: Callable[[Any], bool]) -> Callable[[Any], Iterable[Words]]:
    """`breaks` of a rule without placeholders: broken once where `holds` is false."""
    return lambda value: () if holds(value) else ({},)


def repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, Any]]:
    """Index and value of every entry that is equal to an earlier one."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield index, value
        seen.add(value)


NOT_IN_CEL = "x-not-in-cel"
"""Key of a schema with the messages of the rules that have no CEL form; for the reference, and taken out elsewhere."""


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
        broken = [
            {
                "field": rule.field.format(**words),
                "fault": rule.fault.format(**words),
                "remedy": rule.remedy.format(**words),
            }
            for rule in type(self).rules
            for words in rule.breaks(self)
        ]
        if broken:
            message = "; ".join(f"{b['field']}: {b['fault']}; {b['remedy']}" for b in broken)
            raise PydanticCustomError("rules", "{message}", {"message": message, "broken": broken})
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The JSON schema with the rules that have a CEL form, as the API server wants them."""
        schema = handler.resolve_ref_schema(handler(core))
        if rules := [rule for rule in cls.rules if rule.cel]:
            schema["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.general_message()} for rule in rules
            ]
        if other := [rule for rule in cls.rules if not rule.cel]:
            schema[NOT_IN_CEL] = [rule.general_message() for rule in other]
        return schema

    def to_json(self) -> str:
        """The message as it is written to files: camelCase, without fields that are not set, indented."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


NAME_FORM = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
MODEL_FORM = r"^(hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}|[^:\s@]+)$"
FORMS: dict[str, tuple[str, str]] = {
    NAME_FORM: ("a name", 'use lower-case letters, digits and "-", with a letter first and no "-" last'),
    MODEL_FORM: (
        "a path or a model of Hugging Face at one revision",
        "write a path, or hf://org/name@ and the 40 hex digits of a revision",
    ),
}
"""For errors: what a text of each form is, and how to write one. Other modules add their own forms."""

Name = Annotated[str, Field(min_length=1, max_length=40, pattern=NAME_FORM)]
"""A DNS label of at most 40 characters: child objects append suffixes to it."""

ModelUri = Annotated[str, Field(min_length=1, max_length=512, pattern=MODEL_FORM)]
"""`hf://org/name@<40 hex digits of a revision>`, or a path: absolute, or below the storage root."""

Path = Annotated[str, Field(min_length=1, max_length=1024)]
"""A path: absolute, or below the storage root (the mounted volume; with `gopd run` the work directory)."""

Text = Annotated[str, Field(min_length=1, max_length=256)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

LIST_SET = {"x-kubernetes-list-type": "set"}
"""Schema of a list that may not hold a value twice."""


def list_by(key: str) -> dict[str, Any]:
    """Schema of a list of objects that may not hold the same `key` twice."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
