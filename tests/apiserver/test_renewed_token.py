"""The operator's token ends while it works: the watches and the requests go on with the one that was written since."""

import time
from pathlib import Path

import pytest
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.apiserver.stage import Stage
from tests.cluster.api import NAMESPACES, Api, ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy
from tests.cluster.ray_autopilot import ray_autopilot

pytestmark = pytest.mark.timeout(180)


def wait_until_refused(old: Api) -> None:
    """Until the API server has forgotten that it once believed this token: it remembers for 10 seconds."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            old.find(NAMESPACES, "", HOME)
        except ApiError as error:
            if error.status == 401:
                return
            assert error.status == 403, error
        time.sleep(0.5)
    raise TimeoutError("the token of a ServiceAccount that is gone is still believed")


def test_an_operator_whose_token_is_no_longer_believed_reads_the_next_one(
    control_plane: ControlPlane, proxy: FaultProxy, namespace: str, tmp_path: Path
) -> None:
    def written() -> str:
        token = control_plane.account_token(HOME, ACCOUNT)
        proxy.kubeconfig(token, held)
        return token

    held, access = tmp_path / "kubeconfig", tmp_path / "access.yaml"
    grant(control_plane, namespace, access)
    old = Api(control_plane.server, written(), control_plane.authority)
    stage = Stage(control_plane, namespace)
    with (
        stage.kubelet.autopilot(stage.answer),
        ray_autopilot(stage.api, namespace, only_deletions=True),
        OperatorProcess(held, tmp_path, namespaces=[namespace]) as operator,
    ):
        stage.apply(name="before")
        stage.wait_attempt(1, "before")
        # Another account by the same name: what the old one's token said is true of nobody.
        control_plane.kubectl("delete", "serviceaccount", ACCOUNT, "-n", HOME)
        grant(control_plane, namespace, access)
        written()
        wait_until_refused(old)
        assert proxy.cut_watches() > 0
        stage.apply(name="after")
        stage.wait_attempt(1, "after")
        assert operator.alive
