"""What is wrong with a spec, in the reader's words: field as written, fault, remedy, in one sentence.

Decides the wording of every error that types raise; the rules bring their own words (see `base`). Does not read files:
see `load`.
"""

import difflib
import json
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gopd_api.base import FORMS, Model
from gopd_api.schema import Schema, at, structural

Loc = tuple[str | int, ...]
OTHER_NAMES = {
    "lambda": "rewardScale",
    "lambdavals": "rewardScale",
    "basemodelpath": "reference",
    "ref": "reference",
    "lr": "learningRate",
    "n": "samplesPerPrompt",
}
"""What the paper and its published code call things, folded to lower case."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    field: str
    """The path as the user wrote it: `spec.teachers[1].name`."""
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.fault}; {self.remedy}" if self.field else f"{self.fault}; {self.remedy}"


class InvalidSpec(ValueError):
    """An object that cannot be accepted, with everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault], source: str = "") -> None:
        self.faults = tuple(faults)
        self.source = source
        super().__init__("\n".join(str(fault) for fault in self.faults))


def path_text(loc: Loc) -> str:
    """`("spec", "teachers", 1, "name")` as `spec.teachers[1].name`; names with dots are quoted."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part or not part:
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else part
    return text


def closest(word: str, known: Sequence[str]) -> str | None:
    """The known word that was probably meant, or None."""
    folded = {name.lower(): name for name in known}
    plain = word.replace("_", "").lower()
    found = difflib.get_close_matches(OTHER_NAMES.get(plain, plain).lower(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def unknown(word: str, known: Sequence[str]) -> str:
    """The remedy for a word that is not among those known."""
    listing = ", ".join(known)
    meant = closest(word, known)
    return f"use {meant} (known: {listing})" if meant else f"use one of: {listing}"


def shown(value: object) -> str:
    """A value as the user would recognise it, short."""
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 64 else text[:48] + "..." + text[-8:]


def faults_of(error: ValidationError, model: type[Model], prefix: Loc = ()) -> list[Fault]:
    """Every fault in pydantic's error about a value of `model`, below `prefix`."""
    found: dict[tuple[str, str], Fault] = {}
    for detail in error.errors(include_url=False):
        for fault in _faults(detail, model, prefix):
            found.setdefault((fault.field, fault.fault), fault)
    return list(found.values())


def _faults(detail: ErrorDetails, model: type[Model], prefix: Loc) -> Iterator[Fault]:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    loc, key = _real(detail["loc"], structural(model))
    schema = at(structural(model), loc) or {}
    field = path_text(prefix + loc)
    match kind:
        case "rules":
            for rule in context["broken"]:
                yield Fault(f"{field}.{rule['field']}" if field else rule["field"], rule["fault"], rule["remedy"])
        case "missing":
            yield Fault(field, "is missing", _add(schema))
        case "extra_forbidden":
            yield _extra(prefix + loc, at(structural(model), loc[:-1]) or {})
        case "literal_error":
            known = [str(choice) for choice in schema["enum"]]
            yield Fault(field, f"{shown(value)} is not known", unknown(str(value), known))
        case "string_pattern_mismatch":
            noun, remedy = FORMS[context["pattern"]]
            yield Fault(field, f"{shown(loc[-1] if key else value)} is not {noun}", remedy)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" | "finite_number":
            yield Fault(field, _outside(value, kind, context), _range(schema))
        case "string_too_long" | "string_too_short" | "too_long" | "too_short":
            yield _size(field, value, kind, context)
        case _:
            yield Fault(field, f"{shown(value)} is {_noun(value)}", f"give {_wanted(schema)}")


def _real(loc: Loc, schema: Schema) -> tuple[Loc, bool]:
    """The location without pydantic's own marks for unions (`int`) and keys (`[key]`), and whether it is a key's."""
    real: Loc = ()
    for part in loc:
        if part == "[key]":
            return real, True
        if real and (at(schema, real) or {}).get("x-kubernetes-int-or-string"):
            break
        real += (part,)
    return real, False


def _first_sentence(text: str) -> str:
    sentence = text.split(". ")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _add(schema: Schema) -> str:
    description = schema.get("description")
    return f"add it ({_first_sentence(description)})" if description else f"add {_wanted(schema)}"


def _extra(loc: Loc, parent: Schema) -> Fault:
    holder, word = path_text(loc[:-1]) or "the object", str(loc[-1])
    return Fault(path_text(loc), f"is not a field of {holder}", unknown(word, sorted(parent.get("properties", {}))))


def _outside(value: object, kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "greater_than":
            return f"{shown(value)} is not above {_number(context['gt'])}"
        case "greater_than_equal":
            return f"{shown(value)} is below {_number(context['ge'])}"
        case "less_than":
            return f"{shown(value)} is not below {_number(context['lt'])}"
        case "less_than_equal":
            return f"{shown(value)} is above {_number(context['le'])}"
    return f"{value} is no finite number"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None:
        return f"give {_wanted(schema)}"
    start = "above" if schema.get("exclusiveMinimum") else "from"
    return f"set a value {start} {_number(low)} {'up to' if start == 'above' else 'to'} {_number(high)}"


def _size(field: str, value: Sized, kind: str, context: dict[str, Any]) -> Fault:
    if kind.startswith("string"):
        if kind == "string_too_short":
            return Fault(field, "is an empty text", "give a value, or remove the line")
        return Fault(field, f"has {len(value)} characters", f"give at most {context['max_length']}")
    if kind == "too_short":
        return Fault(field, "is empty", f"give at least {context['min_length']}")
    return Fault(field, f"has {len(value)} entries", f"give at most {context['max_length']}")


def _noun(value: object) -> str:
    match value:
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case None:
            return "no value"
    return "not what is expected here"


def _wanted(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return 'a whole number, or a text in quotes ("0.5", "true")'
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "a text",
        "boolean": "true or false",
        "array": "a list",
    }
    if schema.get("type") == "object":
        fields = ", ".join(schema.get("properties", {}))
        return f"a map with {fields}" if fields else "a map"
    return words.get(schema.get("type", ""), "a value as in docs/api.md")
