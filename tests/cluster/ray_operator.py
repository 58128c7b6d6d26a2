"""The real KubeRay operator on a test cluster: to compare with what plays it here, and with this project's operator.

Decides how it is started. Without a kubelet its clusters never become ready unless a test moves their pods, and no
dashboard ever answers it.
"""

import os
import urllib.request
from types import TracebackType
from typing import Self

from tests.cluster import binaries
from tests.cluster.api import CUSTOM_KINDS
from tests.cluster.control_plane import ControlPlane, free_ports, wait_until
from tests.cluster.processes import Process


class RayOperator:
    """Use it as a context. `process.pid` is its process."""

    def __init__(self, control_plane: ControlPlane, namespace: str = "", *, concurrency: int = 10) -> None:
        """`namespace`: the one that it serves; empty: all."""
        self.control_plane, self.namespace, self.concurrency = control_plane, namespace, concurrency
        environment = os.environ | {"KUBECONFIG": str(control_plane.admin_kubeconfig)}
        self.process = Process("kuberay-operator", control_plane.folder, environment)
        self._metrics, self._probe = free_ports(2)

    def __enter__(self) -> Self:
        if self.control_plane.api.find(CUSTOM_KINDS, "", "rayservices.ray.io") is None:
            self.control_plane.install([binaries.ray_service_definition()])
        self.process.start(
            [
                binaries.program("kuberay-operator"),
                f"--metrics-addr=127.0.0.1:{self._metrics}",
                f"--health-probe-bind-address=127.0.0.1:{self._probe}",
                "--enable-leader-election=false",
                f"--watch-namespace={self.namespace}",
                f"--reconcile-concurrency={self.concurrency}",
            ]
        )
        wait_until("the KubeRay operator", self._healthy, self.process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._probe}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
