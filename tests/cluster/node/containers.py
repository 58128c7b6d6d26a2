"""Single containers without Kubernetes: an image runs as a pod would run it, as its own user on a read-only root.

Decides what such a container may do: no capability, no network but its own loopback, containerd's default seccomp
profile, and nothing to write to but what is mounted. What runs in it is the test's business.
"""

import itertools
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.node import leaving
from tests.cluster.node.daemons import eventually
from tests.cluster.processes import Died, Process, clear, left, new_folder

CONFIGURATION = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""
DEFAULT_CAPABILITIES = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE"
).split()
START_SECONDS = 60.0
SOCKET = "containerd.sock"
GROUP = "gopd"
"""containerd's namespace, which it also names the containers' cgroup by."""


class Containers:
    """containerd in a folder of its own. Use it as a context: leaving it ends it and removes the folder."""

    def __init__(self, archives: Mapping[str, Path]) -> None:
        """`archives`: images by name; each is imported when it is first run."""
        self.folder = new_folder()
        self._archives, self._loaded = archives, set[str]()
        self._daemon = Process("containerd", self.folder)
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        configuration = self.folder / "containerd.toml"
        configuration.write_text(CONFIGURATION.format(folder=self.folder))
        self._daemon.start(["containerd", "--config", configuration])
        if not eventually(lambda: self._ctr("version").returncode == 0, START_SECONDS):
            raise Died(f"containerd did not answer within {START_SECONDS:.0f} s:\n{self._daemon.tail()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daemon.stop()
        _clear(self.folder)

    def _load(self, image: str) -> None:
        if image in self._loaded:
            return
        archive = self._archives[image]
        done = self._ctr("images", "import", str(archive), patience=900)
        if done.returncode:
            raise Died(f"{archive.name} could not be imported: {done.stderr.strip()[-500:]}")
        self._loaded.add(image)

    def run(
        self,
        image: str,
        command: Iterable[str],
        writable: Mapping[Path, str] | None = None,
        readable: Mapping[Path, str] | None = None,
        patience: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; it replaces the image's ENTRYPOINT. Mounts by their folder here; /tmp is empty.

        Raises Died when the image cannot be imported.
        """
        self._load(image)
        mounts = [
            "type=tmpfs,src=tmpfs,dst=/tmp,options=nosuid:nodev:mode=1777",
            *(f"type=bind,src={source},dst={target},options=rbind:rw" for source, target in (writable or {}).items()),
            *(f"type=bind,src={source},dst={target},options=rbind:ro" for source, target in (readable or {}).items()),
        ]
        words = [
            *(word for name in DEFAULT_CAPABILITIES for word in ("--cap-drop", f"CAP_{name}")),
            *(word for mount in mounts for word in ("--mount", mount)),
        ]
        # By default all containers of a machine share one folder, and those of the same name end each other.
        apart = ["--runc-root", str(self.folder / "runc")]
        name = f"{self.folder.name}-{next(self._numbers)}"
        return self._ctr(
            "run", "--rm", "--read-only", "--seccomp", *apart, *words, image, name, *command, patience=patience
        )

    def _ctr(self, *words: str, patience: float = 60) -> subprocess.CompletedProcess[str]:
        command = ["ctr", "--address", str(self.folder / SOCKET), "--namespace", GROUP, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)


def clear_left() -> None:
    """Take away what interrupted tests have left: their containers, with mounts and groups."""
    for folder in left():
        _clear(folder)
    for group in leaving.groups(GROUP):
        for one in group.iterdir():
            if one.is_dir() and not (Path(tempfile.gettempdir()) / one.name.rpartition("-")[0]).exists():
                leaving.remove_group(one)
        leaving.removed(group)


def _clear(folder: Path) -> None:
    """End the containers of a folder's containerd, and remove what they leave: groups, mounts, files."""
    groups = [one for group in leaving.groups(GROUP) for one in group.glob(f"{folder.name}-*")]
    leaving.end(lambda: [*leaving.processes_of(groups), *leaving.shims(folder / SOCKET)])
    for group in groups:
        leaving.remove_group(group)
    for group in leaving.groups(GROUP):
        leaving.removed(group)  # unless others are in it
    leaving.unmount(folder)
    clear(folder)
