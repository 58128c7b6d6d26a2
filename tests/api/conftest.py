"""An API server in small: the generated definitions applied to an object as Kubernetes applies them.

Real: JSON schema validation (jsonschema) and CEL (Google's own runtime). Written here: defaulting, refusal of unknown
fields, list types and the walk to each rule. Not covered, and left to a real API server: CEL cost limits and
Kubernetes' checks of the definitions themselves.
"""

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cel_expr_python import cel

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})


@functools.cache
def compiled(rule: str) -> Any:
    return ENVIRONMENT.compile(rule)


def with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """`value` with every default below it filled in."""
    if isinstance(value, dict) and "properties" in schema:
        for name, field in schema["properties"].items():
            if name not in value and "default" in field:
                value[name] = copy.deepcopy(field["default"])
            if name in value:
                value[name] = with_defaults(value[name], field)
    elif isinstance(value, list):
        return [with_defaults(item, schema["items"]) for item in value]
    return value


def places(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Every value with its schema, from the object down."""
    yield path, value, schema
    if isinstance(value, dict) and path != ".metadata":
        for name, inner in value.items():
            below = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if below is None:
                yield f"{path}.{name}", inner, {"unknown": True}
            else:
                yield from places(inner, below, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, schema["items"], f"{path}[{index}]")


def for_cel(value: Any, schema: dict[str, Any]) -> Any:
    """`value` as CEL sees it: every number of the schema is a double."""
    if isinstance(value, dict):
        fields, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        return {name: for_cel(inner, fields.get(name, others)) for name, inner in value.items()}
    if isinstance(value, list):
        return [for_cel(item, schema["items"]) for item in value]
    return float(value) if schema.get("type") == "number" else value


def for_jsonschema(schema: Any) -> Any:
    """The schema in the words of JSON schema draft 4."""
    if isinstance(schema, dict):
        plain = {key: for_jsonschema(value) for key, value in schema.items() if not key.startswith("x-kubernetes")}
        if schema.get("x-kubernetes-int-or-string"):
            plain["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        return plain
    return [for_jsonschema(item) for item in schema] if isinstance(schema, list) else schema


def repeats(items: list[Any], schema: dict[str, Any]) -> bool:
    """True where a list that is a set, or keyed by a field, holds something twice."""
    match schema.get("x-kubernetes-list-type"):
        case "set":
            keys = items
        case "map":
            keys = [[item.get(key) for key in schema["x-kubernetes-list-map-keys"]] for item in items]
        case _:
            return False
    return any(key in keys[:index] for index, key in enumerate(keys))


class ApiServer:
    """Accepts or refuses objects by the generated definitions alone."""

    def __init__(self, definitions: list[dict[str, Any]]) -> None:
        self.schemas = {
            definition["spec"]["names"]["kind"]: definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            for definition in definitions
        }
        self.validators = {
            kind: jsonschema.Draft4Validator(for_jsonschema(schema)) for kind, schema in self.schemas.items()
        }

    def create(self, document: dict[str, Any]) -> list[str]:
        """Why the object is refused; empty when it is accepted."""
        return self._check(document, None)

    def update(self, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        """Why the change is refused; empty when it is accepted."""
        return self._check(new, with_defaults(copy.deepcopy(old), self.schemas[old["kind"]]))

    def defaulted(self, document: dict[str, Any]) -> dict[str, Any]:
        """The object as the API server stores it."""
        stored: dict[str, Any] = with_defaults(copy.deepcopy(document), self.schemas[document["kind"]])
        return stored

    def _check(self, document: dict[str, Any], old: dict[str, Any] | None) -> list[str]:
        schema = self.schemas.get(document["kind"])
        if schema is None:
            return [f"kind {document['kind']} is not known"]
        document = self.defaulted(document)
        errors = self.validators[document["kind"]].iter_errors(document)
        found = [f"{error.json_path}: {error.message}" for error in errors]
        found += [path for path, _, node in places(document, schema) if "unknown" in node]
        if found:
            return found
        old_values = {path: for_cel(value, node) for path, value, node in places(old, schema)} if old else {}
        for path, value, node in places(document, schema):
            if isinstance(value, list) and repeats(value, node):
                found.append(f"{path} holds a value twice")
            for rule in node.get("x-kubernetes-validations", []):
                found += self._broken(rule, path, for_cel(value, node), old_values)
        return found

    @staticmethod
    def _broken(rule: dict[str, str], path: str, value: Any, old_values: dict[str, Any]) -> list[str]:
        names = {"self": value}
        if "oldSelf" in rule["rule"]:
            if path not in old_values:
                return []
            names["oldSelf"] = old_values[path]
        result = compiled(rule["rule"]).eval(data=names)
        if result.type() != cel.Type.BOOL:
            raise AssertionError(f"{path}: {rule['rule']} gave {result.value()}")
        return [] if result.value() else [f"{path}: {rule['message']}"]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def api_server() -> ApiServer:
    return ApiServer([yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))])
