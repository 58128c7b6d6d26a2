"""What the tests on a whole cluster share: the node, taken up when there is one, else brought up for this run.

With KUBECONFIG set to a cluster that is not this rig's, tests that need only a cluster use that one.
"""

from collections.abc import Iterator

import pytest
from tests.cluster.node.node import Node


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The node of this machine; one that was there before the tests stays."""
    running = Node.running()
    if running is not None:
        yield running
        return
    started = Node()
    started.down()
    started.up()
    yield started
    started.down()
