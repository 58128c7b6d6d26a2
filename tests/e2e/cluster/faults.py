"""Faults of the machinery around a job: each as it happens, and nothing but it. What follows the tests look at."""

import time

from tests.cluster.api import PODS
from tests.e2e.cluster.installation import Installation

AT_ONCE = {"gracePeriodSeconds": 0}


def kill_pod(installation: Installation, namespace: str, labels: str) -> None:
    """Kill the one pod with these labels, without a moment to say goodbye, and wait until its successor is there."""
    before = installation.pod(namespace, labels)["metadata"]
    installation.api.delete(PODS, namespace, before["name"], **AT_ONCE)
    give_up = time.monotonic() + 60
    while all(one["metadata"]["uid"] == before["uid"] for one in installation.api.list(PODS, namespace, labels=labels)):
        assert time.monotonic() < give_up, f"nothing comes after {before['name']}"
        time.sleep(0.2)


def scale(installation: Installation, namespace: str, deployment: str, replicas: int) -> None:
    """Have a deployment run so many pods; for none, wait until the last one is gone."""
    words = ("scale", "-n", namespace, f"deployment/{deployment}", f"--replicas={replicas}")
    installation.access.kubectl(*words)
    if replicas:
        installation.rolled_out(namespace, deployment)
    else:
        name = deployment.rsplit("-", 1)[-1]
        wait = ("wait", "--for=delete", "pod", "-l", f"app.kubernetes.io/component={name}", "--timeout=60s")
        installation.access.kubectl(*wait, "-n", namespace)
