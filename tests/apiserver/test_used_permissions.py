"""The chart grants what the operator uses, and nothing more: every permission is seen at work, and each is needed.

The requests of whole lives are noted by the proxy. A verb that the chart lost would be a 403 in all of these tests; a
verb that nothing uses is found here.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.apiserver.life import QUICK, SWEEP, Life
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.charts.rendering import granted, of_kind, operator_access
from tests.cluster import ray_faults
from tests.cluster.api import DISTILLATION_JOBS, EVENTS, RAY_JOBS, ApiError, Kind
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy

pytestmark = pytest.mark.timeout(600)
ROLES = Kind("rbac.authorization.k8s.io", "v1", "roles")
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NOT_ASKED = {  # by this life; each with when it is
    # Held, because who grants a permission must have it: the training's own role.
    ("", "configmaps", "patch"),
    # Asked inside the API server, whose check of owner references is switched on here; the last test takes it away.
    ("gopd.io", "distillationjobs/finalizers", "update"),
    ("gopd.io", "evaljobs/finalizers", "update"),
    # The time to live of an EvalJob, and children of a sweep that are EvalJobs, go the same way as DistillationJobs'.
    ("gopd.io", "evaljobs", "patch"),
    ("gopd.io", "evaljobs", "delete"),
    # Asked when a name is taken, or when the watch is behind.
    ("batch", "jobs", "get"),
    ("gopd.io", "evaljobs", "get"),
}


def used(asked: set[tuple[str, str, bool]]) -> set[tuple[str, str, str]]:
    """Group, resource and verb of each request for namespaced objects."""
    found = set()
    for method, path, watches in asked:
        parts = path.strip("/").split("/")
        if "namespaces" not in parts:
            continue  # discovery
        group = "" if parts[0] == "api" else parts[1]
        rest = parts[parts.index("namespaces") + 2 :]
        if not rest:
            continue
        resource = rest[0] + (f"/{rest[2]}" if len(rest) > 2 else "")
        named = len(rest) > 1
        verb = VERBS.get(method) or ("watch" if watches else "get" if named else "list")
        found.add((group, resource, verb))
    return found


@pytest.fixture
def life(control_plane: ControlPlane, namespace: str) -> Iterator[Life]:
    with Life(control_plane, namespace).played() as playing:
        yield playing


def test_every_permission_is_used_and_none_is_missing(
    control_plane: ControlPlane, life: Life, namespace: str, tmp_path: Path
) -> None:
    grant(control_plane, namespace, tmp_path / "access.yaml")
    with FaultProxy(control_plane) as proxy:
        kubeconfig = proxy.account_kubeconfig(HOME, ACCOUNT)
        settings: dict[str, Any] = {"inspect": True, "namespaces": [namespace], "resyncSeconds": 5}
        with OperatorProcess(kubeconfig, tmp_path, **settings) as operator:
            life.train()
            _sweep_that_is_suspended(life)
            _object_that_outlives_its_time(life)
            _name_that_is_taken(life)
            log = operator.log.read_text(encoding="utf-8")
    assert "Forbidden" not in log
    (role,) = of_kind(operator_access(namespace, home=HOME), "Role")
    assert used(proxy.asked) - granted(role) == set(), "asked and not granted"
    assert granted(role) - used(proxy.asked) <= NOT_ASKED, "granted and not asked"


def _sweep_that_is_suspended(life: Life) -> None:
    life.patiently(lambda: life.stage.apply(name="sw", **QUICK, **SWEEP))
    life.started(1, "sw-s1-seed42")
    life.stage.suspend(True, "sw")
    life.wait(lambda: life.stage.phase("sw-s1-seed42") == "Suspended")
    life.stage.suspend(False, "sw")
    life.succeed(life.started(2, "sw-s1-seed42"))
    name = "sw-s1p25-seed42"
    life.wait(lambda: [one for one in life.stage.rayjobs() if one["metadata"]["name"].startswith(name)])
    newest = max(one["metadata"]["name"] for one in life.stage.rayjobs() if one["metadata"]["name"].startswith(name))
    life.succeed(life.started(int(newest.rpartition("-a")[2]), name))
    life.wait(lambda: life.stage.phase("sw") == "Succeeded")


def _object_that_outlives_its_time(life: Life) -> None:
    """A job that is refused for good, with a time to live of nothing."""
    life.stage.apply(name="brief", lifecycle={"ttlSecondsAfterFinished": 0})
    rayjob = life.started(1, "brief")
    ray_faults.validation_failed(life.stage.ray, rayjob)
    life.wait(lambda: life.stage.api.find(DISTILLATION_JOBS, life.stage.namespace, "brief") is None)


def _name_that_is_taken(life: Life) -> None:
    """A RayJob of somebody else under the name of an attempt: it is looked at, left alone, and waited for."""
    taken = {**life.stage.ray.get("tiny-a3"), "status": {}}
    taken["metadata"] = {"name": "held-a1", "namespace": life.stage.namespace}
    life.stage.api.create(RAY_JOBS, life.stage.namespace, taken)
    life.stage.apply(name="held", **QUICK)
    life.wait(lambda: life.stage.phase("held") == "Provisioning")
    time.sleep(2)
    assert "ownerReferences" not in life.stage.ray.get("held-a1")["metadata"]
    with contextlib.suppress(ApiError):
        life.stage.api.delete(DISTILLATION_JOBS, life.stage.namespace, "held")


def test_without_the_permission_on_finalizers_no_child_is_made_and_the_job_says_why(
    control_plane: ControlPlane, life: Life, namespace: str, tmp_path: Path
) -> None:
    home = f"{namespace}-home"  # an account that no other test has given more
    grant(control_plane, namespace, tmp_path / "access.yaml", home)
    (role,) = of_kind(operator_access(namespace, home=home), "Role")
    rules = [rule for rule in role["rules"] if "distillationjobs/finalizers" not in rule["resources"]]
    assert len(rules) == len(role["rules"]) - 1
    control_plane.api.merge(ROLES, namespace, role["metadata"]["name"], {"rules": rules})
    with OperatorProcess(control_plane.account_kubeconfig(home, ACCOUNT), tmp_path, namespaces=[namespace]):
        life.stage.apply(**QUICK)
        life.wait(lambda: "RequestRefused" in life.stage.events())
        told = [one for one in control_plane.api.list(EVENTS, namespace) if one["reason"] == "RequestRefused"]
        assert "finalizers" in told[0]["message"]
        assert life.stage.rayjobs() == []
        grant(control_plane, namespace, tmp_path / "access.yaml", home)
        life.started(1)
