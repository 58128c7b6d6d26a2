"""`python -m tests.cluster`: a control plane by hand. Prints its KUBECONFIG and stays until Ctrl-C or SIGTERM."""

import signal
import sys
import time

from tests.cluster import binaries
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import Died


def _leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, _leave)
    try:
        with ControlPlane() as control_plane:
            print(f"export KUBECONFIG={control_plane.admin_kubeconfig}")
            print(
                f"export PATH={binaries.program('kubectl').parent}:{binaries.program('helm').parent}:$PATH", flush=True
            )
            while True:
                time.sleep(1)
                for process in (control_plane.etcd, control_plane.api_server, control_plane.controllers):
                    process.check()
    except KeyboardInterrupt:
        return 0
    except (Died, binaries.Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
