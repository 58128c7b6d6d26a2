"""A Kubernetes of one node on this machine: brought up, taken up again by a later command, taken away.

Decides the order. It lasts until it is taken away: `make cluster` and the tests may use it one after the other.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.node import containers, images, leaving, network, preflight, services
from tests.cluster.node.kubernetes import NodePlane, Workers
from tests.cluster.node.place import Place
from tests.cluster.node.runtime import Runtime

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm", *binaries.NODE)


class Node:
    """The node of this machine."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place()
        self.runtime = Runtime(self.place)
        self.plane = NodePlane(self.place)
        self.workers = Workers(self.plane)

    @classmethod
    def running(cls, place: Place | None = None) -> "Node | None":
        """The node that an earlier command brought up, if it is whole; None otherwise."""
        node = cls(place)
        if not node.place.state.exists():
            return None
        node.plane.recall()
        daemons = (node.runtime.daemon, node.plane.etcd, node.plane.api_server, node.workers.kubelet)
        return node if all(daemon.running for daemon in daemons) and node.workers.ready() else None

    def up(self) -> None:
        """Bring it up with the project's images.

        Raises Lacking before anything is changed; a failure later takes everything away again.
        """
        preflight.prepare(self.place)
        built = images.build_images(binaries.cache())
        for name in PROGRAMS:
            binaries.program(name)
        self.place.folder.mkdir(mode=0o711)
        try:
            leaving.remember(self.place)
            self._start(built)
        except BaseException:
            self.down()
            raise

    def load(self, archives: Mapping[str, Path]) -> None:
        """Import images, but those that are there as they are now."""
        loaded = self.loaded()
        for name, path in archives.items():
            if loaded.get(name) != path.name:
                binaries.say(f"importing {name}")
                self.runtime.load(path)
                loaded[name] = path.name
        (self.place.folder / "images.json").write_text(json.dumps(loaded))

    def loaded(self) -> dict[str, str]:
        """Names of the images that are there, and the archive that each came from."""
        record = self.place.folder / "images.json"
        found: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        return found

    def down(self) -> None:
        """Take it away, whatever is left of it; and containers of tests that were interrupted."""
        containers.clear_left()
        leaving.leave(self.place)

    def _start(self, archives: Mapping[str, Path]) -> None:
        self.place.volumes.mkdir()
        leaving.make_groups()
        network.make_bridge()
        self.runtime.start(images.mounts())
        self.plane.start()
        self.plane.remember()
        services.publish_api_server(self.plane)
        services.install(self.plane)
        self.workers.start()
        self.load(archives)
        self.workers.check()
        services.wait(self.plane)
