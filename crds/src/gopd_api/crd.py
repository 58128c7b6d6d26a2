"""The CustomResourceDefinitions of both kinds, generated from the types.

Decides what the API server knows beyond the schema: names, printer columns, subresources, and what of a spec may be
changed once it is there. Nothing is read or written here: see `__main__`.
"""

from typing import Any

import yaml

from gopd_api.base import NAME_FORM, NOT_IN_CEL, Model
from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.schema import Schema, structural

GROUP, VERSION = "gopd.io", "v1alpha1"
CHANGEABLE = {"lifecycle": ("suspend", "ttlSecondsAfterFinished")}
"""What of a spec may be changed: by part, its fields. Another run is another object."""
HEADER = "# Generated from crds/src/gopd_api by `python -m gopd_api generate`: change the types, not this file.\n"
COLUMNS: dict[str, list[tuple[str, str, str, int]]] = {
    "DistillationJob": [
        ("Phase", "string", ".status.phase", 0),
        ("Step", "string", ".status.progress.display", 0),
        ("Best", "string", ".status.best.display", 0),
        ("GPUs", "integer", ".status.plan.gpus", 0),
        ("Queue", "string", ".spec.scheduling.queue", 1),
        ("Run", "string", ".status.mlflow.runId", 1),
        ("Age", "date", ".metadata.creationTimestamp", 0),
    ],
    "EvalJob": [
        ("Phase", "string", ".status.phase", 0),
        ("Best", "string", ".status.best.display", 0),
        ("Queue", "string", ".spec.scheduling.queue", 1),
        ("Run", "string", ".status.mlflow.runId", 1),
        ("Age", "date", ".metadata.creationTimestamp", 0),
    ],
}
NAME_RULE = {
    "rule": f"self.metadata.name.size() <= 40 && self.metadata.name.matches('{NAME_FORM}')",
    "message": 'metadata.name: is not a name of at most 40 lower-case letters, digits and "-", a letter first; '
    "choose another name",
}


def files() -> dict[str, str]:
    """The generated files of `crds/` by name: their whole text."""
    kinds: list[tuple[type[Model], str, str]] = [
        (DistillationJob, "distillationjobs", "dj"),
        (EvalJob, "evaljobs", "ej"),
    ]
    return {f"{plural}.{GROUP}.yaml": as_yaml(definition(model, plural, short)) for model, plural, short in kinds}


def as_yaml(value: object) -> str:
    """A generated YAML file."""
    return HEADER + yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes everything out: anchors are hard to read and not every tool takes them."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def definition(model: type[Model], plural: str, short: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    kind = model.__name__
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS[kind]],
        "schema": {"openAPIV3Schema": object_schema(model)},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {**names, "shortNames": [short], "categories": ["all", "gopd"]},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _column(name: str, type_: str, path: str, priority: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": type_, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def object_schema(model: type[Model]) -> Schema:
    """The schema of a whole object as the API server gets it."""
    schema = _without_notes(structural(model))
    properties = schema["properties"]
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema["required"] = ["spec"]
    schema["x-kubernetes-validations"] = [NAME_RULE, *schema.get("x-kubernetes-validations", [])]
    _make_immutable(properties["spec"])
    return schema


def _without_notes(schema: Any) -> Any:
    """A copy without what is for the reference only."""
    if isinstance(schema, dict):
        return {name: _without_notes(inner) for name, inner in schema.items() if name != NOT_IN_CEL}
    return [_without_notes(inner) for inner in schema] if isinstance(schema, list) else schema


def _make_immutable(spec: Schema) -> None:
    """Add the transition rules: nothing changes but what CHANGEABLE lists."""
    for part in spec["properties"]:
        if part not in CHANGEABLE:
            _add_rule(spec, _unchanged(spec, part))
    for part, free in CHANGEABLE.items():
        inner = spec["properties"][part]
        for name in inner["properties"]:
            if name not in free:
                _add_rule(inner, _unchanged(inner, name))


def _add_rule(schema: Schema, rule: Schema) -> None:
    schema["x-kubernetes-validations"] = [*schema.get("x-kubernetes-validations", []), rule]


def _unchanged(schema: Schema, name: str) -> Schema:
    always = name in schema.get("required", []) or "default" in schema["properties"][name]
    same = f"self.{name} == oldSelf.{name}"
    if not always:
        same = f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || {same})"
    return {"rule": same, "message": f"{name}: cannot be changed; create another object under another name"}
