"""`python -m tests.cluster.node up|down`: the node by hand. `up` prints its KUBECONFIG; it stays until `down`."""

import signal
import sys
import time

from tests.cluster import binaries
from tests.cluster.node.node import Node
from tests.cluster.node.preflight import Lacking
from tests.cluster.processes import Died


def _leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def up() -> None:
    """Bring the node up unless it is, and say how to get in."""
    started = time.monotonic()
    node = Node.running()
    if node is None:
        node = Node()
        node.up()
        binaries.say(f"up after {time.monotonic() - started:.0f} s; `make cluster-down` takes it away")
    print(f"export KUBECONFIG={node.plane.admin_kubeconfig}")
    print(f"export PATH={binaries.program('kubectl').parent}:{binaries.program('helm').parent}:$PATH")


def main(words: list[str]) -> int:
    signal.signal(signal.SIGTERM, _leave)
    commands = {"up": up, "down": lambda: Node().down()}
    if len(words) != 1 or words[0] not in commands:
        print("usage: python -m tests.cluster.node up|down", file=sys.stderr)
        return 2
    try:
        commands[words[0]]()
    except KeyboardInterrupt:
        return 130
    except (Died, Lacking, binaries.Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
