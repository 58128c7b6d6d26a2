"""What the tests on a real API server share: one control plane a run, and one namespace a test."""

import os
from collections.abc import Iterator

import pytest
from tests.cluster import binaries
from tests.cluster.api import NAMESPACES
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and kube-controller-manager with this project's and KubeRay's CRDs."""
    try:
        running = ControlPlane()
        running.start()
    except binaries.Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no API server on this machine: {error}")
    yield running
    running.stop()


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    """A way to the API server on which faults can happen."""
    with FaultProxy(control_plane) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace; its deletion is not waited for."""
    name = control_plane.new_namespace()
    yield name
    control_plane.api.delete(NAMESPACES, "", name)
