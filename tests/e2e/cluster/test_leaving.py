"""The end of the node, after everything that the other tests have done to it: it goes without a trace."""

import subprocess
import sys

import pytest
from tests.cluster.node.node import Node
from tests.cluster.node.traces import traces
from tests.e2e.cluster.clusters import REPOSITORY

pytestmark = pytest.mark.timeout(600)


def test_the_node_goes_without_a_trace(before: dict[str, object] | None, node: Node) -> None:
    if before is None:
        pytest.skip("the node was there before the tests and stays; `make cluster-down`, then this test makes its own")
    assert traces(node.place) != before
    subprocess.run([sys.executable, "-m", "tests.cluster.node", "down"], cwd=REPOSITORY, check=True, timeout=300)
    assert traces(node.place) == before
