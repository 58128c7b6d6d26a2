"""The structural schema of a type: pydantic's JSON schema in the form that Kubernetes takes, defaults and CEL included.

Decides how each Python type is written in a CustomResourceDefinition; `crd` puts a whole one together, `faults` takes
the words for errors from it. Everything is inlined: a structural schema has no references, no unions but int-or-string.
"""

from functools import cache
from typing import Any

from gopd_api.base import Model

Schema = dict[str, Any]


@cache
def structural(model: type[Model]) -> Schema:
    """The structural schema of a type. Shared between callers: do not change it."""
    whole = model.model_json_schema(by_alias=True, mode="validation")
    return _inline(whole, whole.get("$defs", {}))


def _inline(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """`node` without references, nulls, titles and whatever else a structural schema does not have."""
    node = dict(node)
    if reference := node.pop("$ref", None):
        node = {**definitions[reference.rsplit("/", 1)[-1]], **node}
    if "allOf" in node:
        raise TypeError(f"a structural schema cannot say {node}")
    if choices := node.pop("anyOf", None):
        node = {**_one_of(choices, definitions), **node}
    return _tidy(node, definitions)


def _one_of(choices: list[Schema], definitions: dict[str, Schema]) -> Schema:
    """The single choice beside null (an optional field), or int-or-string."""
    real = [choice for choice in choices if choice.get("type") != "null"]
    if len(real) == 1:
        return _inline(real[0], definitions)
    if {choice.get("type") for choice in real} == {"integer", "string"}:
        return {"x-kubernetes-int-or-string": True}
    raise TypeError(f"a structural schema cannot hold one of {real}")


def _tidy(node: Schema, definitions: dict[str, Schema]) -> Schema:
    for unwanted in ("title", "$defs", "propertyNames"):
        node.pop(unwanted, None)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in node and not isinstance(node[exclusive], bool):
            node[bound], node[exclusive] = node[exclusive], True
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if "items" in node:
        node["items"] = _inline(node["items"], definitions)
    if node.get("default", ...) is None:
        node.pop("default")
    _tidy_fields(node, definitions)
    return node


def _tidy_fields(node: Schema, definitions: dict[str, Schema]) -> None:
    """The fields of an object, or the values of a map; the form of a map's keys is a CEL rule, no schema can say it."""
    if patterns := node.pop("patternProperties", None):
        (node["additionalProperties"],) = patterns.values()
    match node.pop("additionalProperties", False):
        case True:
            node["x-kubernetes-preserve-unknown-fields"] = True
        case dict() as values:
            node["additionalProperties"] = _inline(values, definitions)
    if "properties" in node:
        node["properties"] = {name: _inline(field, definitions) for name, field in node["properties"].items()}
        if "default" in node and "required" not in node:
            # whole, because the API server checks the rules on a default before it fills in the defaults below
            node["default"] = {name: p["default"] for name, p in node["properties"].items() if "default" in p}


def at(schema: Schema, path: tuple[str | int, ...]) -> Schema | None:
    """The schema of a value below `schema`, or None where nothing is known under that path."""
    for part in path:
        if isinstance(part, int):
            found = schema.get("items")
        else:
            found = schema.get("properties", {}).get(part) or schema.get("additionalProperties")
        if not isinstance(found, dict):
            return None
        schema = found
    return schema
