"""Nothing is written when nothing changes: a thousand jobs in every lasting state, many full readings, new operators.

One job of each state gets there with an operator; the others are copies of it. Five thousand, in one state, are in
`benchmarks/operator_scale.py`.
"""

import time
from pathlib import Path

import pytest
from tests.apiserver.copies import copy_jobs
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.apiserver.stage import Stage
from tests.cluster import ray_faults
from tests.cluster.api import DISTILLATION_JOBS, EVENTS, JOBS, RAY_JOBS, Document
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy
from tests.cluster.kueue import Kueue

pytestmark = pytest.mark.timeout(600)
OF_EACH = 200
STATES = ("Succeeded", "Failed", "Training", "Suspended", "Queued")
STATE_OF = {state.lower(): state for state in STATES}
RESYNC_SECONDS, READINGS, RESTARTS = 5, 4, 2
"""Ten minutes of an installation have two full readings (`resyncSeconds: 300`) and no restart."""


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


def jobs_of(stage: Stage) -> list[Document]:
    """Every DistillationJob of the namespace."""
    return stage.api.list(DISTILLATION_JOBS, stage.namespace)


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
    wanted = dict(STATE_OF)
    with operator, stage.kubelet.autopilot(stage.answer):
        for name, state in wanted.items():
            bring(stage, name, state)
        wait_until_quiet(proxy)
        operator.stop()
        wanted |= {copy: STATE_OF[name] for name, copy in copy_jobs(stage, list(wanted), OF_EACH - 1)}
        assert len(wanted) == OF_EACH * len(STATES) == 1000
        before = versions(stage)
        proxy.log.clear()
        for _ in range(RESTARTS):
            operator.start()
            stage.until(lambda: looks(operator) >= len(wanted), "a look at every job", seconds=120)
            operator.stop()
        operator.start()
        stage.until(lambda: looks(operator) >= len(wanted), "a look at every job", seconds=120)
        time.sleep(RESYNC_SECONDS * READINGS)
    assert [(write.method, write.path) for write in proxy.log] == []
    assert versions(stage) == before
    assert {one["metadata"]["name"]: one["status"]["phase"] for one in jobs_of(stage)} == wanted
