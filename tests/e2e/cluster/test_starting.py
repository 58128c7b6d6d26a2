"""A start of the node that is killed in the middle: taking it away finds everything that was there by then."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from tests.cluster.node import leaving
from tests.cluster.node.node import Node
from tests.cluster.node.place import Place
from tests.cluster.node.traces import traces
from tests.e2e.cluster.clusters import ELSEWHERE, REPOSITORY, foreign

pytestmark = pytest.mark.timeout(600)


def command(word: str) -> list[str]:
    return [sys.executable, "-m", "tests.cluster.node", word]


@pytest.mark.parametrize(
    "moment",
    [
        lambda place: place.socket.exists(),
        lambda place: (place.folder / "kubelet.pid").exists(),
        lambda place: bool(leaving.shims(place.socket)),
    ],
    ids=["with containerd", "with a kubelet", "with pods"],
)
def test_a_killed_start_leaves_nothing_that_cluster_down_does_not_find(
    before: dict[str, object] | None, moment: Callable[[Place], bool]
) -> None:
    if foreign():
        pytest.skip(ELSEWHERE)
    if before is None or Node.running() is not None:
        pytest.skip("a node is up and in use; `make cluster-down` before this test")
    place = Place()
    starting = subprocess.Popen(command("up"), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 300
    while not moment(place):
        assert starting.poll() is None, "the start ended before the moment came"
        assert time.monotonic() < give_up
        time.sleep(0.02)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait()
    subprocess.run(command("down"), cwd=REPOSITORY, check=True, timeout=300)
    assert traces(place) == before
