"""Kubernetes of the node: the control plane on the bridge's address, and kubelet, scheduler and proxy beside it.

Decides how each is configured. Every process outlives the command that started it and is found again by `recall`.
"""

import json
from pathlib import Path
from typing import Any

from tests.cluster import binaries
from tests.cluster.api import Api, ApiError, Kind
from tests.cluster.control_plane import ControlPlane, free_ports, wait_until
from tests.cluster.node.daemons import Daemon
from tests.cluster.node.place import ADDRESS, API_PORT, DNS, GROUP, NODE, PODS, Place

NODES = Kind("", "v1", "nodes", namespaced=False)


class NodePlane(ControlPlane):
    """The control plane of the node: all controllers, a fixed address, and no end with its parent."""

    address = ADDRESS
    process = Daemon
    controllers_wanted = "*"
    flags = (
        # No other address is known for the API server than the bridge's; pods get it from an EndpointSlice of ours.
        "--endpoint-reconciler-type=none",
        "--kubelet-preferred-address-types=InternalIP",
    )

    def __init__(self, place: Place) -> None:
        definitions = [*binaries.ray_definitions(), binaries.ray_service_definition()]
        super().__init__(definitions, place.folder)
        self.place, self.port = place, API_PORT
        self.server = f"https://{self.address}:{self.port}"

    def remember(self) -> None:
        """Write down what `recall` needs."""
        ports = {"etcd_port": self.etcd_port, "peer_port": self.peer_port, "controllers_port": self.controllers_port}
        self.place.state.touch(mode=0o600)
        self.place.state.write_text(json.dumps({"token": self.token, **ports}))

    def recall(self) -> None:
        """Take up the control plane that an earlier command started."""
        for name, value in json.loads(self.place.state.read_text()).items():
            setattr(self, name, value)
        self.api = Api(self.server, self.token, self.authority)

    def stop(self) -> None:
        """The control plane alone ends; its folder goes with the node."""
        for one in (self.controllers, self.api_server, self.etcd):
            one.stop()


class Workers:
    """kubelet, scheduler and proxy."""

    def __init__(self, plane: NodePlane) -> None:
        self.plane, self.place = plane, plane.place
        self.kubelet, self.scheduler, self.proxy = (
            Daemon(name, self.place.folder) for name in ("kubelet", "kube-scheduler", "kube-proxy")
        )

    def start(self) -> None:
        """Start all three and wait for the node to be ready."""
        (self.place.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        self.start_kubelet()
        admin = f"--kubeconfig={self.plane.admin_kubeconfig}"
        self.scheduler.start(
            [
                binaries.program("kube-scheduler"),
                admin,
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--cert-dir={self.place.folder}/scheduler",
            ]
        )
        health, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
        settings = {
            **_PROXY,
            "clientConnection": {"kubeconfig": str(self.plane.admin_kubeconfig)},
            "healthzBindAddress": health,
            "metricsBindAddress": metrics,
        }
        proxy = self._written("kube-proxy.json", "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", settings)
        self.proxy.start([binaries.program("kube-proxy"), f"--config={proxy}"])
        wait_until("the node", self.ready, self.kubelet)

    def start_kubelet(self) -> None:
        """Start the kubelet; pods that run go on under it."""
        folder = self.place.folder
        settings = {
            **_KUBELET,
            "containerRuntimeEndpoint": f"unix://{self.place.socket}",
            "resolvConf": f"{folder}/resolv.conf",
            "podLogsDir": f"{folder}/pods",
            "volumePluginDir": f"{folder}/plugins",
        }
        written = self._written("kubelet.json", "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", settings)
        self.kubelet.start(
            [
                binaries.program("kubelet"),
                f"--config={written}",
                f"--kubeconfig={self.plane.admin_kubeconfig}",
                f"--hostname-override={NODE}",
                f"--node-ip={ADDRESS}",
                f"--root-dir={folder}/kubelet",
                f"--cert-dir={folder}/kubelet-keys",
            ]
        )

    def check(self) -> None:
        """Raises Died with the end of a log when one of them has ended."""
        for one in (self.kubelet, self.scheduler, self.proxy):
            one.check()

    def ready(self) -> bool:
        """Whether the node takes pods."""
        try:
            found = self.plane.api.find(NODES, "", NODE) or {}
        except ApiError:
            return False
        conditions = found.get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def stop(self) -> None:
        for one in (self.kubelet, self.scheduler, self.proxy):
            one.stop()

    def _written(self, name: str, version: str, kind: str, settings: dict[str, Any]) -> Path:
        path = self.place.folder / name
        path.write_text(json.dumps({"apiVersion": version, "kind": kind, **settings}))
        return path


_KUBELET: dict[str, Any] = {
    "address": ADDRESS,
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    "cgroupRoot": f"/{GROUP}",
    "clusterDNS": [DNS],
    "clusterDomain": "cluster.local",
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    "failSwapOn": False,
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    "makeIPTablesUtilChains": False,
    "serializeImagePulls": False,
}
"""Anyone may ask the kubelet: it listens on the bridge only. Images are never cleared away: none can be fetched."""
_PROXY: dict[str, Any] = {
    "mode": "nftables",
    "clusterCIDR": PODS,
    "hostnameOverride": NODE,
    "bindAddress": ADDRESS,
    # The machine's own limits of tracked connections stay as they are.
    "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
}
