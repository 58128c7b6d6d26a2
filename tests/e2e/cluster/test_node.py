"""The node itself: it comes whole, and goes without a trace, also when the command that made it was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster import binaries
from tests.cluster.node import leaving, preflight
from tests.cluster.node.node import Node
from tests.cluster.node.place import CGROUPS, Place

REPOSITORY = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(1200)
MINE = "gopd-node"


def machine() -> dict[str, object]:
    """What a node must not leave behind; another session may be building images in the cache meanwhile."""

    def shown(*command: str) -> list[str]:
        return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())

    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    settings = {name: (Path("/proc/sys") / name).read_text() for name in leaving.SETTINGS}
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return {
        "mounts": sorted(mount for mount in mounts if not mount.startswith(str(binaries.cache()))),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": shown("ip", "route"),
        "firewall": shown("nft", "list", "ruleset"),
        "settings": settings,
        "groups": sorted(str(path) for path in CGROUPS.glob("**/gopd-node")),
        "processes": sorted(line for line in commands.splitlines() if f"/{MINE}/" in line),
        "folders": [str(folder) for folder in (*leaving.LEFTOVERS, Place().folder) if folder.exists()],
    }


def command(word: str) -> list[str]:
    return [sys.executable, "-m", "tests.cluster.node", word]


def run(word: str) -> None:
    ended = subprocess.run(command(word), cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def empty() -> dict[str, object]:
    """A machine without a node."""
    if Node.running() is not None:
        pytest.skip("a node is up and in use; `make cluster-down` before this test")
    Node().down()
    preflight.prepare(Place())
    return machine()


def test_a_node_runs_pods_and_goes_without_a_trace(empty: dict[str, object]) -> None:
    run("up")
    node = Node.running()
    assert node is not None
    asked = node.plane.kubectl("get", "nodes,pods", "-A", "-o", "json")
    assert len(json.loads(asked.stdout)["items"]) >= 3
    assert machine() != empty
    run("down")
    assert machine() == empty


@pytest.mark.parametrize(
    "moment",
    [
        lambda place: place.socket.exists(),
        lambda place: (place.folder / "kubelet.pid").exists(),
        lambda place: bool(leaving.shims(place)),
    ],
    ids=["with containerd", "with a kubelet", "with pods"],
)
def test_a_killed_start_leaves_nothing_that_cluster_down_does_not_find(
    empty: dict[str, object], moment: Callable[[Place], bool]
) -> None:
    place = Place()
    starting = subprocess.Popen(command("up"), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 600
    while not moment(place):
        assert starting.poll() is None, "the start ended before the moment came"
        assert time.monotonic() < give_up
        time.sleep(0.02)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait()
    run("down")
    assert machine() == empty
