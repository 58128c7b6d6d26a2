"""docs/operations.md as a person follows it: every command is run, in order, on a real API server.

What only a whole cluster can do is marked on the page, with the reason, and listed at the end of the run. The operator
runs beside the page with the settings and the account that the page's own `helm install` has made; trainings stand
still, pods of Jobs end by themselves.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from tests.apiserver.operator_process import OperatorProcess
from tests.apiserver.stage import Stage
from tests.cluster import binaries
from tests.cluster.api import CONFIG_MAPS, SERVICE_ACCOUNTS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.page import ON_A_NODE, PAGE, Block, blocks
from tests.cluster.ray_autopilot import ray_autopilot

ROOT = Path(__file__).resolve().parents[2]
HOME, JOBS_IN = "gopd-system", "team-a"
SAYS = {
    "helm install gopd": "serves all namespaces",
    "--dry-run=server": "rayjob.ray.io/exopd-a1 created (server dry run)",
    "kubectl get dj -n": "PHASE",
    "range .status.conditions": "Accepted=True Accepted",
    "kubectl events": "AttemptStarted",
    "kubectl get rayjobs,jobs": "rayjob.ray.io/exopd-a1",
    "kubectl delete crd": "evaljobs.gopd.io",
}
"""What a block prints that holds these words."""
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane without this project's definitions: installing them is the page's part."""
    try:
        with ControlPlane(binaries.ray_definitions()) as running:
            yield running
    except binaries.Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no API server on this machine: {error}")


class Beside:
    """What a whole cluster does beside the page: the operator while it is installed, and the pods of Jobs."""

    def __init__(self, plane: ControlPlane, folder: Path, stack: ExitStack) -> None:
        self.plane, self.folder, self.stack = plane, folder, stack
        self.operator: OperatorProcess | None = None

    def follow(self) -> None:
        """Start or end the operator as the page has installed or removed it."""
        installed = self.plane.api.find(SERVICE_ACCOUNTS, HOME, "gopd-operator") is not None
        if installed and self.operator is None and self.plane.api.find(SERVICE_ACCOUNTS, JOBS_IN, "default"):
            made = self.plane.api.get(CONFIG_MAPS, HOME, "gopd-operator")["data"]["settings.yaml"]
            # Its MLflow does not run here, and nothing is sent to an address that is not loopback.
            settings = {**yaml.safe_load(made), "port": 0, "trackingUri": None, "storageClaim": None}
            self.operator = OperatorProcess(
                self.plane.account_kubeconfig(HOME, "gopd-operator"), self.folder, **settings
            )
            self.stack.enter_context(self.operator)
            stage = Stage(self.plane, JOBS_IN)
            self.stack.enter_context(stage.kubelet.autopilot(stage.answer))
            self.stack.enter_context(ray_autopilot(stage.api, JOBS_IN, only_deletions=True))
        elif not installed and self.operator is not None:
            self.operator.stop()


@pytest.fixture
def beside(plane: ControlPlane, tmp_path: Path) -> Iterator[Beside]:
    with ExitStack() as stack:
        yield Beside(plane, tmp_path, stack)


def test_every_command_of_the_page_does_what_it_says(beside: Beside) -> None:
    ran = [one for one in blocks() if one.not_run is None]
    assert len(ran) >= 10, "the page's commands are no longer found"
    missing = dict(SAYS)
    for block in ran:
        beside.follow()
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=ROOT, env=beside.plane.shell(), capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip
        assert ended.returncode == 0, f"line {block.line}:\n{block.text}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        for words, says in SAYS.items():
            if words in block.text:
                assert says in ended.stdout, f"line {block.line}: {ended.stdout}"
                missing.pop(words, None)
    assert missing == {}, "no block has these words any more"


@pytest.mark.parametrize("block", [one for one in blocks() if one.not_run], ids=lambda one: f"line {one.line}")
def test_a_command_that_only_a_whole_cluster_can_run(block: Block) -> None:
    known = {ON_A_NODE, "needs Kueue", "needs Docker and a registry", "fetches a chart from another site"}
    assert block.not_run in known
    where = "; `make e2e` runs it" if block.not_run == ON_A_NODE else ""
    pytest.skip(f"docs/operations.md, {block.text.splitlines()[0][:60]}: {block.not_run}{where}")


def test_every_block_of_commands_is_seen() -> None:
    """A fence of another spelling would never be run."""
    assert PAGE.read_text(encoding="utf-8").count("```") == 2 * len(blocks())
