"""The operator as a process of its own, as its image runs it: started, ended, killed, and asked how it is.

It logs in as the chart's service account, with the permissions that the chart grants in one namespace and no others.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import urllib3
import yaml
from tests.charts.rendering import operator_access
from tests.cluster.api import NAMESPACES, ApiError
from tests.cluster.control_plane import ControlPlane

PROGRAM = Path(sys.executable).with_name("gopd-operator")
HOME = "gopd-system"
ACCOUNT = "gopd-operator"
SETTINGS = {"inspect": False, "storageClaim": "gopd", "port": 0, "resyncSeconds": 30}


def grant(control_plane: ControlPlane, namespace: str | None, target: Path, home: str = HOME) -> None:
    """Create the chart's service account in `home`, and its permissions, of one namespace or of all."""
    with contextlib.suppress(ApiError):  # it is there already
        control_plane.api.create(NAMESPACES, "", {"metadata": {"name": home}})
    target.write_text(yaml.safe_dump_all(operator_access(namespace, home=home)), encoding="utf-8")
    control_plane.kubectl("apply", "-f", str(target))


class OperatorProcess:
    """One operator. Use it as a context, or `start` and `stop` it."""

    def __init__(self, kubeconfig: Path, folder: Path, name: str = "operator", **settings: Any) -> None:
        self.kubeconfig, self.log = kubeconfig, folder / f"{name}.log"
        self.settings = folder / f"{name}.yaml"
        self.settings.write_text(yaml.safe_dump(SETTINGS | settings), encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, wait: bool = True) -> None:
        """Start it; `wait` until it has read every object."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [PROGRAM, "--settings", self.settings, "--log-format", "plain"],
                env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        if wait:
            self.wait_until_ready(before)

    def wait_until_ready(self, since: int = 0, seconds: float = 60) -> None:
        """Wait for /readyz. Raises TimeoutError with the log's end."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            said = self.log.read_bytes()[since:].decode()
            if "port " in said:
                self.port = int(said.split("port ")[1].split()[0])
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    if urllib3.request("GET", f"http://127.0.0.1:{self.port}/readyz", retries=False).status == 200:
                        return
            time.sleep(0.05)
        raise TimeoutError(f"the operator is not ready: {self.log.read_text(encoding='utf-8')[-3000:]}")

    def asked(self, path: str, seconds: float = 10) -> tuple[int, str]:
        """Status and text of one of its own pages."""
        answer = urllib3.request("GET", f"http://127.0.0.1:{self.port}{path}", retries=False, timeout=seconds)
        return answer.status, answer.data.decode()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not enough."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid
