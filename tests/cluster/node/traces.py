"""What a node could leave on its machine, to be compared before and after. It reads and judges nothing."""

import subprocess
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.node import containers, leaving
from tests.cluster.node.place import GROUP, Place


def traces(place: Place) -> dict[str, object]:
    """The machine as far as a node changes it; another session may be building images in the cache meanwhile."""

    def shown(*command: str) -> list[str]:
        return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())

    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return {
        "mounts": sorted(mount for mount in mounts if not mount.startswith(str(binaries.cache()))),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": shown("ip", "route"),
        "firewall": shown("nft", "list", "ruleset"),
        "settings": {name: (Path("/proc/sys") / name).read_text() for name in leaving.SETTINGS},
        "groups": sorted(str(path) for name in (GROUP, containers.GROUP) for path in leaving.groups(name)),
        "processes": sorted(line for line in commands.splitlines() if f"{place.folder}/" in line),
        "folders": [str(folder) for folder in (*leaving.LEFTOVERS, place.folder) if folder.exists()],
    }
