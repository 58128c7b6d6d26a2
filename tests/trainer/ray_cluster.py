"""A Ray cluster on loopback for tests, as KubeRay's head pod starts one: logical GPUs, and folders of its own."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

HOST = "127.0.0.2"
"""Loopback by a name that Ray does not replace by the machine's own address, as it does with 127.0.0.1."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as asked:
        asked.bind((HOST, 0))
        return int(asked.getsockname()[1])


class RayCluster:
    """`ray start --head`; its address is not left where other processes of this machine would find it."""

    def __init__(self, folder: Path, gpus: int) -> None:
        port = free_port()
        self.address = f"{HOST}:{port}"
        (folder / "token").write_text(secrets.token_hex(32))
        # A token of its own: Ray would make one in the home folder otherwise.
        self.variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        """What a process that uses the cluster needs beside RAY_ADDRESS."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "VERL_"))}
        # A library's function, because the command's own entry point is a script that may lie elsewhere.
        started = "from ray.scripts.scripts import main; main()"
        self.log = (folder / "ray.log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable, "-c", started, "start", "--head", "--block", f"--port={port}",
                f"--node-ip-address={HOST}", "--include-dashboard=false", "--num-cpus=32", f"--num-gpus={gpus}",
                f"--temp-dir={folder}", "--disable-usage-stats", "--object-store-memory=200000000",
            ],
            env=environment | self.variables | {"RAY_worker_niceness": "0", "RAY_TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._wait(port)

    def _wait(self, port: int) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, Path(self.log.name).read_text()
            if {"gcs_server", "raylet"} <= self.daemons().keys():
                with socket.socket() as asked:
                    if asked.connect_ex((HOST, port)) == 0:
                        return
            time.sleep(0.5)
        raise TimeoutError(Path(self.log.name).read_text())

    def daemons(self) -> dict[str, int]:
        """Name and process id of everything that the cluster runs."""
        return {child.name(): child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}

    def end(self) -> None:
        """End it with all its processes."""
        family = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in family:
                if process.is_running():
                    process.send_signal(number)
            _, family = psutil.wait_procs(family, timeout=10)
        self.process.wait()
        self.log.close()
