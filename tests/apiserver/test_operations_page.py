"""docs/operations.md as a person follows it: every command is run, in order, on a real API server.

What only a whole cluster can do is marked on the page, with the reason, rehearsed in its place (`page.REHEARSAL`), and
listed at the end of the run; commands in sentences and tables are rehearsed, too. The operator runs beside the page
with the settings and the account that the page's own `helm install` has made; trainings stand still, pods of Jobs end
by themselves.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from tests.apiserver.operator_process import OperatorProcess
from tests.apiserver.stage import Stage
from tests.cluster import binaries
from tests.cluster.api import CONFIG_MAPS, SERVICE_ACCOUNTS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.page import ON_A_NODE, PAGE, REHEARSAL, Block, blocks, inline
from tests.cluster.ray_autopilot import ray_autopilot

ROOT = Path(__file__).resolve().parents[2]
HOME, JOBS_IN = "gopd-system", "team-a"
NEW_IMAGE = f"registry.example.com/ml/gopd-operator@sha256:{sha256(b'5').hexdigest()}"
"""What the page upgrades to."""
SAYS = {
    "helm install gopd": "serves team-a.",
    "kubectl create namespace team-b": "protect the pods of jobs in team-a, team-b,",
    "metadata: {name: gopd-loader}": "pod/gopd-loader created (server dry run)",
    "cluster-quickstart.yaml": "distillationjob.gopd.io/cluster-quickstart created (server dry run)",
    "kind: ClusterQueue": "clusterqueue.kueue.x-k8s.io/distillation created (server dry run)",
    "gopd plan examples/exopd.yaml -o manifests": "rayjob.ray.io/exopd-a1 created (server dry run)",
    "kubectl get dj -n": "PHASE",
    "range .status.conditions": "Accepted=True Accepted",
    "kubectl events": "AttemptStarted",
    "kubectl get rayjobs,jobs": "rayjob.ray.io/exopd-a1",
    "diff ~/gopd-now.yaml": f"> {' ' * 10}image: {NEW_IMAGE}",
    "{.spec.template.spec.containers[0].image}{": NEW_IMAGE,
    "helm rollback": "Rollback was a success",
    "kubectl delete crd": "evaljobs.gopd.io",
}
"""What a block prints that holds these words."""
EVERYTHING_IS_THERE = "kubectl get rayjobs,jobs"
"""The block after which commands that stand in sentences and tables are tried."""
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane without this project's definitions: installing them is the page's part."""
    try:
        with ControlPlane([*binaries.ray_definitions(), *binaries.queue_definitions()]) as running:
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


Shell = Callable[[str], str]


@pytest.fixture
def shell(plane: ControlPlane, tmp_path: Path) -> Shell:
    """A person's bash in a checkout, with a home of its own: what a command says. Raises AssertionError."""
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    checkout.mkdir()
    home.mkdir()
    for entry in ROOT.iterdir():
        if entry.name != "runs":  # what is written there stays a person's own
            (checkout / entry.name).symlink_to(entry)

    def says(text: str) -> str:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=checkout, env={**plane.shell(), "HOME": str(home)},
            capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip
        assert ended.returncode == 0, f"{text}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        return ended.stdout

    return says


def test_every_command_of_the_page_does_what_it_says(beside: Beside, shell: Shell) -> None:
    every = blocks()
    assert len([one for one in every if one.not_run is None]) >= 10, "the page's commands are no longer found"
    missing = dict(SAYS)
    for block in every:
        beside.follow()
        said = shell(block.text if block.not_run is None else REHEARSAL + block.text)
        for words, says in SAYS.items():
            if words in block.text:
                assert says in said, f"line {block.line}: {said}"
                missing.pop(words, None)
        if EVERYTHING_IS_THERE in block.text:
            _try_what_is_not_in_blocks(shell)
    assert missing == {}, "no block has these words any more"


def _try_what_is_not_in_blocks(shell: Shell) -> None:
    commands = inline()
    assert len(commands) >= 5, "the page's commands in sentences and tables are no longer found"
    for command in commands:
        shell(REHEARSAL + command)


@pytest.mark.parametrize(
    "wrong",
    [
        "kubectl logs --tial=5 deployment/gopd-operator",
        "kubectl rolout status deployment/gopd-operator",
        "kubectl get distilationjobs",
        "helm upgrade gopd charts/gopd --reset-and-reuse-values",
        "gopd plan --outptu manifests examples/exopd.yaml",
        "kubectl apply -f - <<'YAML'\n{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}\nYAML",
    ],
)
def test_a_rehearsal_finds_a_command_that_is_wrong(shell: Shell, wrong: str) -> None:
    with pytest.raises(AssertionError):
        shell(REHEARSAL + wrong)


@pytest.mark.parametrize("block", [one for one in blocks() if one.not_run], ids=lambda one: f"line {one.line}")
def test_a_command_that_only_a_whole_cluster_can_run(block: Block) -> None:
    known = {ON_A_NODE, "needs Kueue", "needs Docker and a registry", "fetches a chart from another site"}
    assert block.not_run in known
    where = "; `make e2e` runs it" if block.not_run == ON_A_NODE else ""
    pytest.skip(f"docs/operations.md, {block.text.splitlines()[0][:60]}: rehearsed only: {block.not_run}{where}")


def test_every_block_of_commands_is_seen() -> None:
    """A fence of another spelling would never be run."""
    assert PAGE.read_text(encoding="utf-8").count("```") == 2 * len(blocks())
