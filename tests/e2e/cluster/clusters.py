"""The cluster that the tests run on: the node of this machine, or one of somebody else that KUBECONFIG names.

Decides what a foreign cluster has to bring: KubeRay, the three images under `GOPD_E2E_REGISTRY`, and the folder
`GOPD_E2E_VOLUMES` under the same path here and on its node (kind: `extraMounts`). What only this machine's node can
do, because it needs its processes, is skipped there by name: see the fixture `node`.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.access import Access, by_kubeconfig
from tests.cluster.node import images
from tests.cluster.node.node import Node
from tests.cluster.node.place import Place

REPOSITORY = Path(__file__).resolve().parents[3]
POINTED = "KUBECONFIG names a cluster of somebody else"
ELSEWHERE = f"needs the processes of the node (its API server, its kubelet), and {POINTED}"


@dataclass(frozen=True)
class Cluster:
    """Where the tests run."""

    access: Access
    volumes: Path
    """What pods get as persistent volumes; the same path here and there."""
    registry: str
    operator_image: str
    """Something that changes with the operator's image: the same tag may be another image."""
    node: Node | None
    """None: somebody else's cluster."""


def foreign() -> Path | None:
    """The kubeconfig of a cluster that the tests were pointed at, unless it is this machine's own node."""
    named = os.environ.get("KUBECONFIG")
    if not named or Path(named) == Place().folder / "admin.kubeconfig":
        return None
    return Path(named)


@contextmanager
def elsewhere(kubeconfig: Path) -> Iterator[Cluster]:
    """The cluster of a kubeconfig; it stays as it is but for what is installed into it."""
    with tempfile.TemporaryDirectory(prefix="gopd-e2e-") as folder:
        volumes = Path(os.environ.get("GOPD_E2E_VOLUMES", "/tmp/gopd-e2e-volumes"))
        volumes.mkdir(exist_ok=True)
        access = by_kubeconfig(kubeconfig, Path(folder))
        yield Cluster(access, volumes, os.environ.get("GOPD_E2E_REGISTRY", "localhost"), "foreign", None)


def here(node: Node) -> Cluster:
    """The node of this machine."""
    return Cluster(node.plane, node.place.volumes, "localhost", node.loaded()[images.OPERATOR.name], node)


def taken_up() -> Node | None:
    """The node that is there already, with images of today."""
    running = Node.running()
    if running is not None:
        running.load(images.build_images(binaries.cache()))
    return running
