"""What runs in the node's own pods: cluster DNS and the KubeRay operator; and how pods find the API server.

Decides their manifests. Both are static programs of the binaries' cache, mounted into an image with nothing else in it.
"""

import json
from pathlib import Path
from typing import Any

from tests.cluster import binaries
from tests.cluster.api import NAMESPACES, Document, Kind
from tests.cluster.node.kubernetes import NodePlane
from tests.cluster.node.place import ADDRESS, API_PORT, DNS
from tests.cluster.node.runtime import PAUSE

KUBERAY_NAMESPACE = "kuberay-system"
SLICES = Kind("discovery.k8s.io", "v1", "endpointslices")
COREFILE = """.:53 {
  errors
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
  }
  cache 5
}
"""
"""No forwarding: names outside the cluster are not known in it."""
_GROUP = "rbac.authorization.k8s.io"


def publish_api_server(plane: NodePlane) -> None:
    """The endpoints of the Service `kubernetes`."""
    document = {
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
    }
    plane.api.create(SLICES, "default", document)


def install(plane: NodePlane) -> None:
    """Create both; `wait` says when they are there."""
    plane.api.create(NAMESPACES, "", {"metadata": {"name": KUBERAY_NAMESPACE}})
    documents = {"apiVersion": "v1", "kind": "List", "items": [*_dns(), *_kuberay()]}
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(documents))


def wait(plane: NodePlane) -> None:
    """Until DNS and KubeRay are available."""
    for namespace, name in (("kube-system", "coredns"), (KUBERAY_NAMESPACE, "kuberay-operator")):
        plane.kubectl("rollout", "status", "-n", namespace, f"deployment/{name}", "--timeout=110s")


def _dns() -> list[Document]:
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    namespace = {"namespace": "kube-system"}
    command = ["/program/coredns", "-conf", "/etc/coredns/Corefile"]
    ready = {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2}
    pod = _pod("coredns", command, ready)
    pod["dnsPolicy"] = "Default"
    pod["volumes"].append({"name": "settings", "configMap": {"name": "coredns"}})
    pod["containers"][0]["volumeMounts"].append({"name": "settings", "mountPath": "/etc/coredns"})
    ports = [{"name": name.lower(), "port": 53, "protocol": name} for name in ("UDP", "TCP")]
    return [
        *_account("coredns", "kube-system", "coredns"),
        {"apiVersion": f"{_GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": "coredns"}, "rules": rules},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", **namespace},
            "data": {"Corefile": COREFILE},
        },
        _deployment("coredns", "kube-system", pod),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", **namespace},
            "spec": {"clusterIP": DNS, "selector": {"app": "coredns"}, "ports": ports},
        },
    ]


def _kuberay() -> list[Document]:
    ready = {"httpGet": {"path": "/readyz", "port": 8082}, "periodSeconds": 2}
    pod = _pod("kuberay-operator", ["/program/kuberay-operator", "--enable-leader-election=false"], ready)
    return [
        *_account("kuberay-operator", KUBERAY_NAMESPACE, "cluster-admin"),
        _deployment("kuberay-operator", KUBERAY_NAMESPACE, pod),
    ]


def _account(name: str, namespace: str, role: str) -> list[Document]:
    metadata = {"name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]


def _pod(name: str, command: list[str], ready: Document) -> dict[str, Any]:
    folder: Path = binaries.program(name).parent
    container = {
        "name": name,
        "image": PAUSE,
        "imagePullPolicy": "Never",
        "command": command,
        "readinessProbe": ready,
        "volumeMounts": [
            {"name": "program", "mountPath": "/program", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
    volumes = [
        {"name": "program", "hostPath": {"path": str(folder), "type": "Directory"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    return {"serviceAccountName": name, "containers": [container], "volumes": volumes}


def _deployment(name: str, namespace: str, pod: Document) -> Document:
    labels = {"app": name, "app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
