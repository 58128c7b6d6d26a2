"""A real control plane on loopback: etcd, kube-apiserver, kube-controller-manager, with RBAC and service accounts.

Decides how they are started, when they are ready, and how one gets in. There is no kubelet and no scheduler: pods stay
as they are until a test moves them. What is installed into it besides CRDs is the tests' business.
"""

import secrets
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import binaries, certificates
from tests.cluster.access import Access
from tests.cluster.api import CUSTOM_KINDS, NAMESPACES, SERVICE_ACCOUNTS, Api, ApiError
from tests.cluster.processes import Died, Process, clear, new_folder
from urllib3.exceptions import HTTPError

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 90.0
"""Seconds. About 6 on an idle machine; two busy cores take far longer."""
CONTROLLERS = (
    "garbage-collector-controller,namespace-controller,serviceaccount-controller,serviceaccount-token-controller,"
    "root-ca-certificate-publisher-controller,job-controller,ttl-after-finished-controller,deployment-controller,"
    "replicaset-controller,clusterrole-aggregation-controller"
)
"""No pod-garbage-collector and no taint eviction: pods are bound to no node here, and the tests move them."""


def own_definitions() -> list[Path]:
    """This project's CRDs."""
    return sorted((ROOT / "crds").glob("*.yaml"))


class ControlPlane(Access):
    """A running control plane. Use it as a context: leaving it ends every process and removes every file."""

    address = "127.0.0.1"
    """Where the API server listens."""
    process: type[Process] = Process
    controllers_wanted = CONTROLLERS
    flags: tuple[str, ...] = ("--endpoint-reconciler-type=none",)
    """Further flags of the API server."""

    def __init__(self, definitions: Iterable[Path] | None = None, folder: Path | None = None) -> None:
        """`definitions`: files with one CRD each; by default this project's and KubeRay's."""
        self.definitions = None if definitions is None else list(definitions)
        self.folder = folder or new_folder()
        self.port, self.etcd_port, self.peer_port, self.controllers_port = free_ports(4)
        self.server = f"https://{self.address}:{self.port}"
        self.token = secrets.token_hex(16)
        self.authority = self.folder / "ca.crt"
        self.admin_kubeconfig = self.folder / "admin.kubeconfig"
        self.etcd, self.api_server, self.controllers = (
            self.process(name, self.folder) for name in ("etcd", "kube-apiserver", "kube-controller-manager")
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, CRDs included, and wait until it is ready. Raises Died with the end of a log."""
        programs = {name: binaries.program(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
        definitions = self.definitions
        if definitions is None:
            definitions = [*own_definitions(), *binaries.ray_definitions()]
        try:
            certificates.write(self.folder, self.address)
            (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
            self.kubeconfig(self.token, self.admin_kubeconfig)
            self.api = Api(self.server, self.token, self.authority)
            self._start_etcd(programs["etcd"])
            self.start_api_server()
            # Before the garbage collector: one that meets a new kind later needs up to half a minute to follow it.
            self.install(definitions)
            self._start_controllers(programs["kube-controller-manager"])
            wait_until("the default service account", self._account_there, self.controllers)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.controllers.kill()
        self.api_server.stop()
        self.etcd.stop()
        clear(self.folder)

    # ---- the API server alone

    def start_api_server(self) -> None:
        """Start the API server on its port and wait for it."""
        folder = self.folder
        self.api_server.start(
            [
                binaries.program("kube-apiserver"),
                f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                f"--bind-address={self.address}",
                f"--advertise-address={self.address}",
                f"--secure-port={self.port}",
                f"--cert-dir={folder}",
                f"--tls-cert-file={folder}/server.crt",
                f"--tls-private-key-file={folder}/server.key",
                f"--token-auth-file={folder}/tokens.csv",
                "--authorization-mode=RBAC",
                # As in hardened clusters: an object may make its owner wait only when its maker may hold the owner.
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
                f"--service-account-key-file={folder}/accounts.key",
                f"--service-account-signing-key-file={folder}/accounts.key",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--allow-privileged=true",
                "--event-ttl=24h",
                "--profiling=false",
                *self.flags,
            ]
        )
        wait_until("the API server", self.answers, self.api_server)

    def stop_api_server(self, *, kill: bool = False) -> None:
        """End the API server only; `kill` gives it no time to close connections."""
        if kill:
            self.api_server.kill()
        else:
            self.api_server.stop()

    def restart_api_server(self, *, kill: bool = False) -> None:
        """The API server goes and comes back on the same port, with everything that was stored."""
        self.stop_api_server(kill=kill)
        self.start_api_server()

    def answers(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            return self.api.request("GET", "/readyz", timeout=5)["text"] == "ok"
        except (ApiError, HTTPError):
            return False

    # ---- what is in it

    def install(self, definitions: Iterable[Path]) -> None:
        """Create CRDs from files and wait until they are established."""
        with ThreadPoolExecutor() as threads:
            names = list(threads.map(self._install, definitions))
        for name in names:
            wait_until(f"the definition {name}", partial(self.established, name), self.api_server)

    def _install(self, path: Path) -> str:
        media = "application/json" if path.suffix == ".json" else "application/yaml"
        created = self.api.request("POST", CUSTOM_KINDS.path(), path.read_bytes(), media=media, timeout=READY_WITHIN)
        return str(created["metadata"]["name"])

    def remove(self, names: Iterable[str]) -> None:
        """Delete CRDs with everything of their kinds, and wait until they are gone.

        The API server's finalizer can stop half-way, without a word, until its resync minutes later: its first list of
        a kind that nobody asked for is refused (429), and when its second try meets a copy of the CRD that is older
        than its own first try, it relies on an event that it ignores (crd_finalizer.go, `sync` and
        `updateCustomResourceDefinition`, in apiextensions-apiserver 0.34). Any other change of the CRD wakes it.
        """
        for name in names:
            self.api.delete(CUSTOM_KINDS, "", name)
            wait_until(f"the removal of {name}", partial(self._removed, name), self.api_server)

    def _removed(self, name: str) -> bool:
        for _ in range(50):
            if self.api.find(CUSTOM_KINDS, "", name) is None:
                return True
            time.sleep(0.1)
        try:
            self.api.merge(CUSTOM_KINDS, "", name, {"metadata": {"annotations": {"woken": str(time.monotonic())}}})
        except ApiError as error:
            if error.status != 404:
                raise
        return False

    def established(self, name: str) -> bool:
        """Whether a CRD is served."""
        conditions = self.api.get(CUSTOM_KINDS, "", name).get("status", {}).get("conditions") or []
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    def new_namespace(self, prefix: str = "t") -> str:
        """A fresh namespace in which pods can be created."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.api.create(NAMESPACES, "", {"metadata": {"name": name}})
        wait_until("the service account", lambda: self._account_there(name), self.controllers)
        return name

    def _account_there(self, namespace: str = "default") -> bool:
        return self.api.find(SERVICE_ACCOUNTS, namespace, "default") is not None

    # ---- the other two

    def _start_etcd(self, program: Path) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self.etcd.start(
            [
                program,
                f"--data-dir={self.folder}/etcd",
                "--unsafe-no-fsync",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--log-level=warn",
            ]
        )

    def _start_controllers(self, program: Path) -> None:
        self.controllers.start(
            [
                program,
                f"--kubeconfig={self.admin_kubeconfig}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.controllers_port}",
                f"--cert-dir={self.folder}",
                f"--tls-cert-file={self.folder}/server.crt",
                f"--tls-private-key-file={self.folder}/server.key",
                f"--service-account-private-key-file={self.folder}/accounts.key",
                f"--root-ca-file={self.folder}/ca.crt",
                "--leader-elect=false",
                f"--controllers={self.controllers_wanted}",
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
                "--concurrent-job-syncs=10",
                "--profiling=false",
            ]
        )


def wait_until(what: str, ready: Callable[[], bool], process: Process) -> None:
    """Poll until ready. Raises Died when the process ends first, or time is up."""
    give_up = time.monotonic() + READY_WITHIN
    while not ready():
        process.check()
        if time.monotonic() > give_up:
            raise Died(f"{what} was not ready within {READY_WITHIN:.0f} s; the end of {process.log}:\n{process.tail()}")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
