"""What the tests on a whole cluster share: the node, taken up when there is one, else brought up, and gopd on it."""

import os
from collections.abc import Iterator

import pytest
from tests.cluster import binaries
from tests.cluster.node import images
from tests.cluster.node.node import Node
from tests.cluster.node.preflight import Lacking
from tests.e2e.cluster.installation import Installation


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The node of this machine; one that was there before the tests gets images of today, and stays."""
    running = Node.running()
    if running is not None:
        running.load(images.build_images(binaries.cache()))
        yield running
        return
    started = Node()
    started.down()
    try:
        started.up()
    except Lacking as lack:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(lack))
    yield started
    started.down()


@pytest.fixture(scope="session")
def installation(node: Node) -> Installation:
    """The chart on the node, with two teams."""
    installed = Installation(node)
    installed.install()
    return installed


@pytest.fixture(scope="session")
def team(installation: Installation) -> str:
    """A namespace with models on its volume."""
    installation.team("team-a")
    return "team-a"


ORDER = ("test_images", "test_node", "test_user_path")
"""Modules that come first: what needs no node, what needs a machine without one, and what is wanted most."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put those modules before the others, each in its own order."""
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ORDER)))
