"""Read objects from YAML as Kubernetes would: one or several documents, and every fault in them, not the first only.

Decides how text becomes values (YAML as `kubectl` reads it: 1e-5 is a number, a date is a text; no key twice, no empty
values) and which type a document is. What a valid object is, the types decide; the words of errors are in `faults`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gopd_api.faults import Fault, InvalidSpec, Loc, faults_of, path_text, shown, unknown
from gopd_api.objects import API_VERSION, KINDS, Object

__all__ = ["Fault", "InvalidSpec", "load_file", "load_text", "parse"]

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 32


def load_file(path: str | Path) -> list[Object]:
    """The objects in a file. Raises InvalidSpec, also for a file that cannot be read."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidSpec([Fault("", f"the file is larger than {MAX_BYTES:,} bytes", "name a spec")], str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(
            [Fault("", f"the file {path} cannot be read ({error.strerror})", "check the path")], str(path)
        ) from None
    except UnicodeDecodeError:
        raise InvalidSpec([Fault("", "the file is no UTF-8 text", "name a YAML file")], str(path)) from None
    return load_text(text, str(path))


def load_text(text: str, source: str = "") -> list[Object]:
    """The objects in a YAML text; `source` is kept in errors. Raises InvalidSpec with all faults of all documents."""
    documents = [document for document in _documents(text, source) if document is not None]
    if not documents:
        raise InvalidSpec([Fault("", "the file holds no object", f"write a {' or '.join(KINDS)}")], source)
    objects, faults = [], []
    for number, document in enumerate(documents, start=1):
        where = f"document {number}: " if len(documents) > 1 else ""
        try:
            objects.append(parse(document))
        except InvalidSpec as error:
            faults += [Fault(where + fault.field, fault.fault, fault.remedy) for fault in error.faults]
    if faults:
        raise InvalidSpec(faults, source)
    return objects


def parse(document: object) -> Object:
    """The object that a document (maps, lists and scalars, as from JSON) is. Raises InvalidSpec."""
    if not isinstance(document, dict):
        raise InvalidSpec([Fault("", f"the document is {shown(document)}", f"write a {' or '.join(KINDS)}")])
    model = _type_of(document)
    if shape := list(_shape_faults(document)):
        raise InvalidSpec(shape)
    try:
        parsed: Object = model.model_validate(document, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidSpec(faults_of(error, model)) from None
    return parsed


def _type_of(document: dict[str, Any]) -> type[Object]:
    """The type by apiVersion and kind. Without them no field can be judged, so their faults come alone."""
    faults = []
    kind, version = document.get("kind"), document.get("apiVersion")
    if version != API_VERSION:
        fault = "is missing" if version is None else f"{shown(version)} is not known"
        faults.append(Fault("apiVersion", fault, f"write {API_VERSION}"))
    if not isinstance(kind, str) or kind not in KINDS:
        fault = "is missing" if kind is None else f"{shown(kind)} is not known"
        faults.append(Fault("kind", fault, unknown(str(kind), list(KINDS))))
    if faults:
        raise InvalidSpec(faults)
    return KINDS[str(kind)]


def _shape_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Faults that the types do not see: lines without a value, names that are no text, too much of everything."""
    stack: list[tuple[Loc, Any]] = [
        (("spec",), document.get("spec", {})),
        (("metadata",), document.get("metadata", {})),
    ]
    values = 0
    while stack:
        loc, value = stack.pop()
        values += 1
        if values > MAX_VALUES or len(loc) > MAX_DEPTH:
            yield Fault(path_text(loc[:2]), "holds more than any spec does", "remove repeated anchors")
            return
        if value is None:
            yield Fault(path_text(loc), "has no value", "give one, or remove the line")
        elif isinstance(value, dict):
            for key, inner in reversed(value.items()):
                if isinstance(key, str):
                    stack.append(((*loc, key), inner))
                else:
                    yield Fault(path_text(loc), f"has {shown(key)} for a name", "put it in quotes")
        elif isinstance(value, list):
            stack.extend(((*loc, index), inner) for index, inner in reversed(list(enumerate(value))))


def _documents(text: str, source: str) -> list[Any]:
    """The documents of a YAML text. Raises InvalidSpec with the line of what is no YAML."""
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except _RepeatedKeyError as error:
        raise InvalidSpec([error.fault], source) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context or "unreadable"
        raise InvalidSpec([Fault("", f"the file is not YAML{line} ({problem})", "correct that line")], source) from None
    except yaml.reader.ReaderError as error:
        raise InvalidSpec([Fault("", f"the file is not YAML ({error.reason})", "name a YAML file")], source) from None
    except RecursionError:
        raise InvalidSpec([Fault("", "the file is nested too deeply", "write it flatter")], source) from None


class _RepeatedKeyError(Exception):
    def __init__(self, key: str, line: int) -> None:
        self.fault = Fault(key, f"is written twice, the second time at line {line}", "keep one of the two")


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes' own reader has it: no repeated keys, no dates, numbers like 1e-5."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in seen:
                        raise _RepeatedKeyError(key.value, key.start_mark.line + 1)
                    seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if not tag.endswith((":timestamp", ":float", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
