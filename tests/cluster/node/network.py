"""The pods' network: a bridge on the machine, and what the container runtime is told of it. Nothing leaves the machine.

Decides addresses and routes. Forwarding is switched on for the bridge alone, so that it goes with the bridge.
"""

import json
import subprocess
from pathlib import Path

from tests.cluster.node.place import ADDRESS, BRIDGE, PODS, Place


def make_bridge() -> None:
    """The bridge with the machine's own address on it: there before the first pod, so that servers can listen there."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{ADDRESS}/{PODS.split('/')[1]}", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/forwarding").write_text("1")


def remove_bridge() -> None:
    """Take the bridge away, and its routes with it."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        _ip("link", "delete", BRIDGE)


def write_plugins(place: Place) -> Path:
    """The configuration of the network plugins; its folder."""
    folder = place.folder / "cni"
    folder.mkdir()
    addresses = {
        "type": "host-local",
        "dataDir": str(place.folder / "addresses"),
        "ranges": [[{"subnet": PODS, "gateway": ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # Not the plugin's own gateway: it would switch forwarding on for the whole machine.
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": False, "hairpinMode": True, "ipam": addresses}
    listed = {"cniVersion": "1.0.0", "name": "gopd-node", "plugins": [bridge]}
    (folder / "10-bridge.conflist").write_text(json.dumps(listed))
    (folder / "99-loopback.conf").write_text(json.dumps({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}))
    return folder


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
