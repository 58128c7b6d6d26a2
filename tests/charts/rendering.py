"""The chart as helm renders it: objects as dictionaries, refusals as text. No cluster is needed.

`operator_access` gives other tests the chart's own permissions of the operator, to run it with them, not as an admin.
"""

import copy
import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml
from tests.cluster import binaries

CHART = Path(__file__).resolve().parents[2] / "charts" / "gopd"

Manifest = dict[str, Any]
Values = dict[str, Any]


class Refused(Exception):
    """helm would not render: its own words."""


@functools.cache
def helm() -> Path:
    """The helm program that the test clusters use. Raises binaries.Unavailable."""
    return binaries.program("helm")


def run(*arguments: str, standard_input: str | None = None) -> subprocess.CompletedProcess[str]:
    """helm with these arguments; how it ended is the caller's to judge."""
    return subprocess.run(
        [str(helm()), *arguments], input=standard_input, capture_output=True, text=True, check=False, timeout=120
    )


def render(values: Values | None = None, *, namespace: str = "gopd-system", release: str = "gopd") -> list[Manifest]:
    """Every object of the chart with `values`. Raises Refused."""
    return copy.deepcopy(_rendered(json.dumps(values or {}, sort_keys=True), namespace, release))


@functools.cache
def _rendered(values: str, namespace: str, release: str) -> list[Manifest]:
    # A helm that was built from its module knows no Kubernetes version of its own.
    command = [
        "template",
        release,
        str(CHART),
        "--namespace",
        namespace,
        "--kube-version",
        binaries.KUBERNETES,
        "--values",
        "-",
    ]
    done = run(*command, standard_input=values)
    if done.returncode:
        raise Refused(done.stderr)
    return [found for found in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if found]


def of_kind(objects: list[Manifest], kind: str) -> list[Manifest]:
    """The objects of one kind."""
    return [found for found in objects if found["kind"] == kind]


def one(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """The object of this kind and name."""
    (found,) = [found for found in of_kind(objects, kind) if found["metadata"]["name"] == name]
    return found


def settings_text(objects: list[Manifest]) -> str:
    """settings.yaml as the operator's pod finds it."""
    text: str = one(objects, "ConfigMap", "gopd-operator")["data"]["settings.yaml"]
    return text


def operator_access(namespace: str | None = None, *, home: str = "gopd-system") -> list[Manifest]:
    """Service account, role and binding of the operator: of the whole cluster, or of one namespace.

    `home` is the namespace that the operator is installed in, and its service account's.
    """
    scope: Values = {} if namespace is None else {"singleNamespaceInstall": True, "watchNamespace": [namespace]}
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    found = [one for one in render({**scope, "crds": {"install": False}}, namespace=home) if one["kind"] in kinds]
    for account in of_kind(found, "ServiceAccount"):
        account["metadata"]["namespace"] = home
    return found


def granted(role: Manifest) -> set[tuple[str, str, str]]:
    """What a role allows: every triple of group, resource and verb."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
