"""The API reference page, generated from the types: every field with its type, default and meaning, and every rule.

Decides the page's form. Its words are the types' docstrings and the rules' own, which are also `kubectl explain`'s and
the errors'.
"""

import json
from collections.abc import Iterator

from gopd_api.base import NOT_IN_CEL, Model
from gopd_api.objects import API_VERSION, DistillationJob, EvalJob
from gopd_api.schema import Schema, structural

INTRODUCTION = f"""# API reference

Generated from `crds/src/gopd_api` by `python -m gopd_api generate`: change the types, not this page.

Both kinds have `apiVersion: {API_VERSION}`. Every field that is not marked *required* may be left out. Once an object
is there, only `spec.lifecycle.suspend` and `spec.lifecycle.ttlSecondsAfterFinished` can be changed: another run is
another object.
"""


def page() -> str:
    """The whole page, Markdown."""
    lines = [INTRODUCTION]
    models: list[type[Model]] = [DistillationJob, EvalJob]
    for model in models:
        whole = structural(model)
        lines += [f"## {model.__name__}", "", whole["description"], ""]
        name = whole["properties"]["metadata"]["properties"]["name"]
        lines += _section("metadata", {**whole, "properties": {"name": name}, "required": ["name"]})
        lines += _section("spec", whole["properties"]["spec"])
        lines += _section("status", whole["properties"]["status"])
    return "\n".join(lines)


def _section(path: str, schema: Schema) -> Iterator[str]:
    """A table of the fields of an object, what it refuses, and then the objects below it."""
    yield from (f"### {path}", "")
    if "description" in schema and "." in path:
        yield from (_cell(schema["description"]), "")
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = "*required*" if name in required else _default(field)
        yield f"| `{name}` | {_cell(_type(field))} | {default} | {_cell(_meaning(field))} |"
    yield ""
    messages = [rule["message"] for rule in schema.get("x-kubernetes-validations", [])] + schema.get(NOT_IN_CEL, [])
    if messages:
        yield from ("Refused:", "", *(f"- {message}" for message in messages), "")
    for name, field in schema["properties"].items():
        if "properties" in field:
            yield from _section(f"{path}.{name}", field)
        elif "properties" in field.get("items", {}):
            yield from _section(f"{path}.{name}[]", field["items"])


def _meaning(field: Schema) -> str:
    meaning: str = field.get("description") or field.get("items", {}).get("description", "")
    return meaning


def _type(field: Schema) -> str:
    """The type in words, with its bounds."""
    if field.get("x-kubernetes-int-or-string"):
        return "whole number or text"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    match field.get("type"):
        case "array":
            return f"list of {_type(field['items'])}"
        case "object" if "additionalProperties" in field:
            return f"map of {_type(field['additionalProperties'])}"
        case "integer" | "number":
            return ("whole number" if field["type"] == "integer" else "number") + _bounds(field)
        case "string":
            return "text"
        case "boolean":
            return "true or false"
    return "object"


def _bounds(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is None or high is None:
        return ""
    return f", {'above ' if field.get('exclusiveMinimum') else ''}{low} to {high}"


def _default(field: Schema) -> str:
    if "default" not in field or field["default"] == [] or isinstance(field["default"], dict):
        return ""
    return f"`{json.dumps(field['default'])}`".replace('"', "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
