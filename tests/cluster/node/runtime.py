"""containerd, apart from any that the machine has: its own root, state, socket and configuration.

Decides how containers are made and how images come in. What every container gets mounted (`mounts`) stands for layers
that would take minutes to pack: to Kubernetes such an image looks whole.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.node import archive, network, preflight
from tests.cluster.node.daemons import Daemon, eventually
from tests.cluster.node.place import Place
from tests.cluster.processes import Died

PAUSE = "localhost/gopd-pause:1"
PATIENCE = 60.0
CONFIGURATION = """\
version = 2
root = "{folder}/containerd"
state = "{folder}/run"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = "{pause}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{network}"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  base_runtime_spec = "{specification}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""
"""`restrict_oom_score_adj`: where a container may not raise its priority, runc would die on every pod."""


class Runtime:
    """containerd of the node."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.daemon = Daemon("containerd", place.folder)

    def start(self, mounts: Mapping[Path, str]) -> None:
        """Start it and wait until it answers; then it knows the image that holds pods."""
        specification = self.place.folder / "container.json"
        specification.write_text(json.dumps(self._specification(mounts)))
        configuration = self.place.folder / "containerd.toml"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.place.folder,
                socket=self.place.socket,
                pause=PAUSE,
                plugins=preflight.plugins(),
                network=network.write_plugins(self.place),
                specification=specification,
            )
        )
        self.daemon.start(["containerd", "--config", configuration])
        if not eventually(self._answers, PATIENCE):
            raise Died(f"containerd did not answer within {PATIENCE:.0f} s; its log ends:\n{self.daemon.tail()}")
        image = archive.write(self.place.folder / "pause.tar", PAUSE, {"/pause": binaries.pause()}, ["/pause"])
        self.load(image)

    def load(self, image: Path) -> None:
        """Import a docker-archive."""
        self.ctr("images", "import", str(image), patience=600)

    def tag(self, image: str, other: str) -> None:
        """Give an image a second name. Both are written out, with their registry."""
        self.ctr("images", "tag", "--force", image, other)

    def ctr(self, *words: str, patience: float = 60) -> str:
        """Run containerd's own client."""
        command = ["ctr", "--address", str(self.place.socket), "--namespace", "k8s.io", *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)
        if ended.returncode:
            raise Died(f"ctr {' '.join(words)}: {ended.stderr.strip()[-500:]}")
        return ended.stdout

    def _answers(self) -> bool:
        self.daemon.check()
        try:
            self.ctr("version")
        except (Died, subprocess.TimeoutExpired):
            return False
        return True

    @staticmethod
    def _specification(mounts: Mapping[Path, str]) -> dict[str, object]:
        """What a container is made from: containerd's own default with our mounts."""
        shown = subprocess.run(["ctr", "oci", "spec"], capture_output=True, text=True, check=True).stdout
        specification: dict[str, object] = json.loads(shown)
        listed = specification["mounts"]
        assert isinstance(listed, list)
        listed += [
            {"type": "bind", "source": str(source), "destination": target, "options": ["rbind", "ro", "nosuid"]}
            for source, target in mounts.items()
        ]
        return specification
