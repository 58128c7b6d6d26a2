"""Where the node lives on its machine: its folder, its addresses, its names.

One node a machine: a bridge, a range of addresses and a group of processes are the machine's, not a folder's. Nothing
here is made or looked at; `preflight` says whether the places are free, `leaving` gives them back.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "gopd0"
ADDRESS = "10.244.0.1"
"""The machine as pods see it: API server and kubelet listen here, and on no other address."""
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
API_PORT = 6443
NODE = "gopd-node"
GROUP = "gopd-node"
"""The cgroup that holds every pod, in each hierarchy."""
CGROUPS = Path("/sys/fs/cgroup")
TABLES = ("ip kube-proxy", "ip6 kube-proxy")
"""The tables of nftables that kube-proxy makes."""


@dataclass(frozen=True)
class Place:
    """The folder of the node, and what lies where in it."""

    folder: Path = Path(tempfile.gettempdir()) / "gopd-node"

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "containerd.sock"

    @property
    def volumes(self) -> Path:
        """What pods get as persistent volumes."""
        return self.folder / "volumes"

    @property
    def before(self) -> Path:
        """How the machine was before: settings to give back."""
        return self.folder / "before.json"

    @property
    def state(self) -> Path:
        """What a later command must know of the node."""
        return self.folder / "state.json"
