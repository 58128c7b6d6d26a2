"""The end of the node: everything that it put on the machine is taken away, whatever state it was left in.

Decides what belongs to the node: what its pid files name, what runs in its cgroup or under its containerd, what is
mounted below its folder, its bridge, its tables. Nothing else is touched; what was there before is as it was before.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.cluster.node import network
from tests.cluster.node.daemons import Daemon, eventually, started
from tests.cluster.node.place import CGROUPS, GROUP, TABLES, Place
from tests.cluster.processes import Died

SETTINGS = (
    "net/ipv4/ip_forward",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""Settings of the kernel that Kubernetes changes."""
LEFTOVERS = (Path("/var/log/containers"), Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/run/containerd"))
"""Folders that programs make outside the node's own, with no option against it."""
BEFORE_PODS = ("kubelet", "kube-scheduler", "kube-proxy", "kube-controller-manager")
"""What would start pods again, or needs them no more, ends before them."""
AFTER_PODS = ("containerd", "kube-apiserver", "etcd")
SHIM = "containerd-shim-runc-v2"
CLIENT = "ctr"
ENDING_WITHIN = 30.0


def remember(place: Place) -> None:
    """Write down how the machine is, before anything is changed."""
    settings = {name: path.read_text() for name in SETTINGS if (path := Path("/proc/sys") / name).exists()}
    folders = [str(folder) for folder in LEFTOVERS if folder.exists()]
    place.before.write_text(json.dumps({"settings": settings, "folders": folders}))


def leave(place: Place) -> None:
    """Take everything away. Raises Died with what would not go; a second call goes on from there."""
    if not place.folder.exists():
        return
    for name in BEFORE_PODS:
        Daemon(name, place.folder).stop()
    end_containers(place)
    for name in AFTER_PODS:
        Daemon(name, place.folder).stop(10)
    end(lambda: unnamed(place))
    _remove_tables()
    network.remove_bridge()
    unmount(place.folder)
    for group in groups():
        remove_group(group)
    _restore(place)
    if left := mounts_below(place.folder):
        raise Died(f"still mounted: {', '.join(map(str, left))}; end what uses it, then `make cluster-down` again")
    shutil.rmtree(place.folder)


def end_containers(place: Place) -> None:
    """Kill every process in the node's group, and who works with its containerd."""
    end(lambda: [*processes_of(groups()), *attached(place.socket)])


def end(find: Callable[[], list[int]]) -> None:
    """Kill what is found until nothing is."""

    def ended() -> bool:
        found = find()
        for pid in found:
            _kill(pid)
        return not found

    if not eventually(ended, ENDING_WITHIN):
        raise Died(f"processes {', '.join(map(str, find()))} do not end")


def processes_of(found_groups: Sequence[Path]) -> list[int]:
    """Processes that run in cgroups or below them."""
    found: set[int] = set()
    for group in found_groups:
        for folder, _, _ in os.walk(group):  # passes over what goes while it looks, which rglob does not
            try:
                found |= {int(line) for line in Path(folder, "cgroup.procs").read_text().split()}
            except OSError:  # the group went meanwhile, or holds threads only
                continue
    return sorted(pid for pid in found if started(pid))


def groups(name: str = GROUP) -> list[Path]:
    """A cgroup, by default the node's, in each hierarchy."""
    folders = [CGROUPS / name, *(hierarchy / name for hierarchy in CGROUPS.glob("*") if hierarchy.is_dir())]
    return [folder for folder in folders if folder.is_dir()]


def shims(socket: Path) -> list[int]:
    """The shims of the containerd that listens there: they name its socket."""
    return named(SHIM, socket)


def attached(socket: Path) -> list[int]:
    """Who works with the containerd that listens there: its shims, and the requests of a start that was killed."""
    return [*shims(socket), *named(CLIENT, socket)]


def named(program: str, socket: Path) -> list[int]:
    """Processes of a program that name the socket among their arguments."""
    return [pid for pid, name, words in _programs() if name == program and str(socket) in words]


def unnamed(place: Place) -> list[int]:
    """Daemons whose start was cut off before their pid was written down: they work in the node's folder."""
    known = (*BEFORE_PODS, *AFTER_PODS)
    found = []
    for pid, name, _ in _programs():
        try:
            if name in known and (Path("/proc") / str(pid) / "cwd").resolve() == place.folder:
                found.append(pid)
        except OSError:  # ended meanwhile
            continue
    return found


def _programs() -> Iterator[tuple[int, str, list[str]]]:
    """Every process with the name of its program and its arguments."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # ended meanwhile
            continue
        yield int(folder.name), words[0].rsplit("/", 1)[-1], words[1:]


def mounts_below(folder: Path) -> list[Path]:
    """Mount points below a folder, the deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    below = [point for point in points if point.is_relative_to(folder)]
    return sorted(below, key=lambda point: len(point.parts), reverse=True)


def unmount(folder: Path) -> None:
    """Unmount everything below a folder; what is busy is detached and goes with its last user."""
    for _ in range(3):
        for point in mounts_below(folder):
            subprocess.run(["umount", "--lazy", str(point)], capture_output=True, check=False)


def make_groups() -> None:
    """The node's cgroup, in each hierarchy, with the processors of the machine."""
    unified = CGROUPS / "cgroup.controllers"
    if unified.exists():
        wanted = " ".join(f"+{name}" for name in unified.read_text().split())
        (CGROUPS / "cgroup.subtree_control").write_text(wanted)
        (CGROUPS / GROUP).mkdir(exist_ok=True)
        return
    for hierarchy in CGROUPS.iterdir():
        if (hierarchy / "tasks").exists():
            group = hierarchy / GROUP
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (hierarchy / name).exists():
                    (group / name).write_text((hierarchy / name).read_text())
            if (shares := group / "cpu.shares").exists():
                # A process outside weighs 1024, and everything in pods together as much as this group.
                shares.write_text(str(4096 * (os.cpu_count() or 1)))


def remove_group(group: Path) -> None:
    """Remove a cgroup with those below it, unless something still runs in them when time is up."""
    for folder, _, _ in os.walk(group, topdown=False):
        eventually(lambda folder=folder: removed(Path(folder)), 2.0)  # type: ignore[misc]


def removed(folder: Path) -> bool:
    """Remove one cgroup; whether it is gone now."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # a process that was killed is still on its way out
        return False
    return True


def _remove_tables() -> None:
    for table in TABLES:
        subprocess.run(["nft", "delete", "table", *table.split()], capture_output=True, check=False)


def _restore(place: Place) -> None:
    before = json.loads(place.before.read_text()) if place.before.exists() else {"settings": {}, "folders": []}
    for name, value in before["settings"].items():
        path = Path("/proc/sys") / name
        if path.read_text() != value:
            path.write_text(value)
    if place.before.exists():
        for folder in LEFTOVERS:
            if str(folder) not in before["folders"]:
                unmount(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
