"""What a machine must have before a node can be brought up on it, each lack with its remedy.

Decides nothing about how it is used. Packages are installed only when `GOPD_E2E_INSTALL=1` says so, and only by `apt`.
"""

import ipaddress
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster.node.place import ADDRESS, API_PORT, BRIDGE, CGROUPS, PODS, TABLES, Place

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nft": "nftables",
    "mount": "mount",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
"""Programs, each with the Debian package that has it."""
PLUGINS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
"""Where distributions and other installers put network plugins."""
CONTROLLERS = ("cpu", "memory", "pids", "cpuset")
FREE_GIB = 12
MEMORY_GIB = 8


class Lacking(RuntimeError):
    """The machine cannot have a node: every fault with what helps."""


def plugins() -> Path | None:
    """The folder of the network plugins."""
    return next((folder for folder in PLUGINS if (folder / "bridge").exists()), None)


def prepare(place: Place) -> None:
    """Install what may be installed, then look. Raises Lacking."""
    missing = missing_packages()
    if missing and os.environ.get("GOPD_E2E_INSTALL") == "1" and shutil.which("apt-get"):
        install(missing)
    if faults := [*lacks(), *taken(place)]:
        raise Lacking("this machine cannot have a test node:\n" + "\n".join(f"  - {fault}" for fault in faults))


def install(packages: list[str]) -> None:
    """Install Debian packages. Raises Lacking with apt's last words."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *packages]):
        ended = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise Lacking(f"apt-get {words[0]} failed: {ended.stderr.strip()[-500:]}")


def missing_packages() -> list[str]:
    """Packages whose programs are not on PATH."""
    wanted = {package for program, package in PACKAGES.items() if shutil.which(program) is None}
    return sorted(wanted | ({"containernetworking-plugins"} if plugins() is None else set()))


def lacks() -> list[str]:
    """What the machine has not got."""
    if not Path("/proc/self/cgroup").exists():
        return ["it is no Linux; use a Linux machine, or a kind cluster by KUBECONFIG"]
    faults = []
    if os.geteuid() != 0:
        faults.append("not root; run it as root, or point KUBECONFIG at a cluster (kind) that is there")
    if missing := missing_packages():
        words = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
        faults.append(f"packages are missing; `{words}`, or set GOPD_E2E_INSTALL=1 to have it done")
    if absent := [name for name in CONTROLLERS if name not in cgroup_controllers()]:
        faults.append(f"cgroup controllers {', '.join(absent)} are not mounted below {CGROUPS}; mount them")
    if "overlay" not in Path("/proc/filesystems").read_text() and not _module("overlay"):
        faults.append("the kernel has no overlay file system; `modprobe overlay`")
    if not Path("/proc/sys/net/bridge").exists() and not _module("br_netfilter"):
        faults.append("bridged packets pass no firewall here; `modprobe br_netfilter`")
    if shutil.which("nft") and os.geteuid() == 0 and _fails("nft", "list", "tables"):
        faults.append("the kernel has no nftables; use one with CONFIG_NF_TABLES")
    return faults + _sizes()


def cgroup_controllers() -> list[str]:
    """Names of the controllers that groups can have, in either version of cgroups."""
    unified = CGROUPS / "cgroup.controllers"
    if unified.exists():
        return unified.read_text().split()
    return [path.name for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists()] if CGROUPS.exists() else []


def taken(place: Place) -> list[str]:
    """What somebody else has already."""
    faults = []
    if place.folder.exists():
        faults.append(f"{place.folder} is there; `make cluster-down` first")
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        faults.append(f"there is an interface {BRIDGE}; `make cluster-down`, or `ip link delete {BRIDGE}`")
    else:
        faults += [
            f"{PODS} is routed already ({route}); the node needs these addresses, for which this is the wrong machine"
            for route in routes()
            if route != "default" and ipaddress.ip_network(route).overlaps(ipaddress.ip_network(PODS))
        ]
    if shutil.which("nft") and os.geteuid() == 0:
        faults += [
            f"nftables has a table `{table}`: another Kubernetes is on this machine; point KUBECONFIG at that one"
            for table in TABLES
            if not _fails("nft", "list", "table", *table.split())
        ]
    return faults + ports_taken()


def routes() -> list[str]:
    """Destinations that the machine has routes for."""
    if shutil.which("ip") is None:
        return []
    shown = subprocess.run(["ip", "-j", "-4", "route"], capture_output=True, text=True, check=True).stdout
    return [str(route["dst"]) for route in json.loads(shown or "[]")]


def ports_taken() -> list[str]:
    """Listeners on any address that would be in the way of the API server's and the kubelet's port."""
    words = {"API server": API_PORT, "kubelet": 10250}
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {int(row[1].split(":")[1], 16) for row in table if row[3] == "0A" and row[1].startswith("00000000")}
    return [
        f"port {port} is taken, which the {name} needs on {ADDRESS}; end what listens there"
        for name, port in words.items()
        if port in listening
    ]


def _sizes() -> list[str]:
    faults = []
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free >> 30
    if free < FREE_GIB:
        faults.append(f"{free} GiB are free below {folder}, {FREE_GIB} are needed; free some, or set TMPDIR")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    if memory < MEMORY_GIB - 1:
        faults.append(f"{memory} GiB of memory, {MEMORY_GIB} are needed; use a larger machine")
    return faults


def _module(name: str) -> bool:
    return shutil.which("modprobe") is not None and not _fails("modprobe", name)


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0
