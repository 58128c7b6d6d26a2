"""What the tests on a whole cluster share: the cluster, gopd on it, and what is told at the end of the run."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.node import preflight
from tests.cluster.node.node import Node
from tests.cluster.node.place import Place
from tests.cluster.node.preflight import Lacking
from tests.cluster.node.traces import traces
from tests.e2e.cluster import clusters
from tests.e2e.cluster.clusters import ELSEWHERE, REPOSITORY, Cluster
from tests.e2e.cluster.installation import Installation
from tests.e2e.cluster.timeline import Timeline

TOLD = pytest.StashKey[list[str]]()
ORDER = (
    "test_images",
    "test_starting",
    "test_user_path",
    "test_undisturbed",
    "test_resumed",
    "test_ends",
    "test_isolation",
    "test_overhead",
    "test_placement",
    "test_page",
    "test_leaving",
)
"""Modules in the order that they need: first what needs no node and what needs a machine without one, last its end."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TOLD] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put modules into their order; tests of one module stay in theirs, which many of them need."""
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ORDER)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was measured and what was left behind to look at; what was skipped, and why, pytest says itself."""
    if config.stash[TOLD]:
        terminalreporter.section("measured")
        for line in config.stash[TOLD]:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something at the end of the run."""
    told: list[str] = request.config.stash[TOLD]
    return told.append


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """A folder for what people look at after the run: `GOPD_E2E_ARTIFACTS`, or a place that git ignores."""
    folder = Path(os.environ.get("GOPD_E2E_ARTIFACTS") or REPOSITORY / "runs" / "e2e")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def before() -> dict[str, object] | None:
    """The machine before the node of this run; None where there was one already, or where none is made."""
    if clusters.foreign() or Node.running() is not None:
        return None
    Node().down()
    try:
        preflight.prepare(Place())
    except Lacking as lack:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(lack))
    return traces(Place())


@pytest.fixture(scope="session")
def cluster(before: dict[str, object] | None) -> Iterator[Cluster]:
    """The cluster. A node that was there before the tests stays; one that is made for them goes with them."""
    if kubeconfig := clusters.foreign():
        with clusters.elsewhere(kubeconfig) as found:
            yield found
        return
    if running := clusters.taken_up():
        yield clusters.here(running)
        return
    assert before is not None
    made = Node()
    made.up()
    yield clusters.here(made)
    made.down()


@pytest.fixture(scope="session")
def node(cluster: Cluster) -> Node:
    """The node with its processes; a cluster of somebody else keeps them to itself."""
    if cluster.node is None:
        pytest.skip(ELSEWHERE)
    return cluster.node


@pytest.fixture(scope="session")
def installation(cluster: Cluster) -> Installation:
    """The chart on the cluster."""
    installed = Installation(cluster)
    installed.install()
    return installed


@pytest.fixture(scope="session")
def timeline(installation: Installation) -> Iterator[Timeline]:
    """When what happened, over the whole run."""
    with Timeline(installation) as running:
        yield running


@pytest.fixture(scope="session")
def team(installation: Installation, timeline: Timeline) -> str:
    """A namespace with models on its volume, watched from before its first job."""
    assert timeline.running
    installation.team("team-a")
    return "team-a"
