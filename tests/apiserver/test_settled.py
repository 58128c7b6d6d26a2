"""Nothing is written when nothing changes: jobs in every lasting state, many full readings, and operators that restart.

Thirty jobs here; thousands, in fewer states, are in `benchmarks/operator_scale.py`.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.apiserver.stage import Stage
from tests.cluster import ray_faults
from tests.cluster.api import DISTILLATION_JOBS, EVENTS, JOBS, RAY_JOBS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy
from tests.cluster.kueue import Kueue

pytestmark = pytest.mark.timeout(300)
OF_EACH = 6
STATES = ("Succeeded", "Failed", "Training", "Suspended", "Queued")
RESYNC_SECONDS, READINGS, RESTARTS = 5, 4, 2
"""Ten minutes of an installation have two full readings (`resyncSeconds: 300`) and no restart."""


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane) as running:
        yield running


def bring(stage: Stage, name: str, state: str) -> None:
    """Bring a job into a state and see it there."""
    lifecycle = {"suspend": state == "Suspended", "stallAfterSeconds": 60}
    scheduling = {"queue": "gpu"} if state == "Queued" else {}
    stage.apply(name=name, lifecycle=lifecycle, scheduling=scheduling)
    if state != "Suspended":
        rayjob = stage.wait_attempt(1, name, seconds=60)
        if state == "Queued":
            Kueue(stage.api, stage.namespace).hold(rayjob)
        elif state == "Failed":
            ray_faults.validation_failed(stage.ray, rayjob, "not right")
        else:
            stage.ray.start(rayjob)
            if state == "Succeeded":
                stage.succeed(rayjob)
            else:
                stage.trains(rayjob, 5, saved=(5,))
    stage.wait_phase(state, name=name, seconds=60)


def versions(stage: Stage) -> dict[tuple[str, str], str]:
    """resourceVersion of everything that belongs to the jobs."""
    return {
        (kind.plural, one["metadata"]["name"]): one["metadata"]["resourceVersion"]
        for kind in (DISTILLATION_JOBS, RAY_JOBS, JOBS, EVENTS)
        for one in stage.api.list(kind, stage.namespace)
    }


def looks(operator: OperatorProcess) -> float:
    """Looks at jobs since the operator's start."""
    lines = operator.asked("/metrics")[1].splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("gopd_reconcile_seconds_count"))


def wait_until_quiet(proxy: FaultProxy, seconds: float = 12.0) -> None:
    """Until nothing has been written for longer than a created object waits to be written down."""
    count, since, give_up = -1, time.monotonic(), time.monotonic() + 90
    while time.monotonic() - since < seconds:
        assert time.monotonic() < give_up, f"it never became quiet: {proxy.log[-3:]}"
        if len(proxy.log) != count:
            count, since = len(proxy.log), time.monotonic()
        time.sleep(0.2)


def test_settled_jobs_are_never_written_to(
    control_plane: ControlPlane, namespace: str, proxy: FaultProxy, tmp_path: Path
) -> None:
    grant(control_plane, None, tmp_path / "access.yaml")
    stage = Stage(control_plane, namespace)
    kubeconfig = proxy.account_kubeconfig(HOME, ACCOUNT)
    operator = OperatorProcess(kubeconfig, tmp_path, resyncSeconds=RESYNC_SECONDS, namespaces=[namespace])
    wanted = {f"{state.lower()}-{number}": state for number in range(OF_EACH) for state in STATES}
    with operator, stage.kubelet.autopilot(stage.answer), ThreadPoolExecutor(len(STATES) * 2) as threads:
        list(threads.map(lambda named: bring(stage, *named), wanted.items()))
        wait_until_quiet(proxy)
        before = versions(stage)
        proxy.log.clear()
        time.sleep(RESYNC_SECONDS * READINGS)
        assert looks(operator) > len(wanted)
        for _ in range(RESTARTS):
            operator.stop()
            operator.start()
            stage.until(lambda: looks(operator) >= len(wanted), "a look at every job")
        time.sleep(RESYNC_SECONDS)
    assert [(write.method, write.path) for write in proxy.log] == []
    assert versions(stage) == before
    assert {name: stage.phase(name) for name in wanted} == wanted
