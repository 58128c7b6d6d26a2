"""Plays Kueue on RayJobs and Jobs: holds what asks for a queue, lets it in, takes it out again, changes pod templates.

Decides what Kueue writes into other people's objects. The states that follow from it, KubeRay and the Job controller
write: after `hold` and `preempt` of a RayJob, that is `KubeRay`, which this class calls.
"""

from tests.cluster.api import JOBS, RAY_JOBS, Api, Document
from tests.cluster.kuberay import KubeRay

SELECTOR = {"cloud.example.com/accelerator": "h100"}
"""What a ResourceFlavor adds to pods."""
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


class Kueue:
    """The queue's part in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace, self.ray = api, namespace, KubeRay(api, namespace)

    def hold(self, name: str) -> Document:
        """A new RayJob gets no quota: KubeRay finds it suspended and parks it."""
        self._set_suspend(name, value=True)
        self.ray.initialize(name)
        return self.ray.suspend(name)

    def admit(self, name: str) -> Document:
        """Quota is granted: Kueue writes the flavour into the pod templates and takes the suspension away."""
        found = self.ray.get(name)
        spec = found["spec"]["rayClusterSpec"]
        for part in [spec["headGroupSpec"], *(spec.get("workerGroupSpecs") or [])]:
            pod = part["template"]["spec"]
            pod["nodeSelector"] = {**pod.get("nodeSelector", {}), **SELECTOR}
            pod["tolerations"] = [*pod.get("tolerations", []), TOLERATION]
            metadata = part["template"].setdefault("metadata", {})
            metadata["labels"] = {**metadata.get("labels", {}), "kueue.x-k8s.io/podset": "head"}
        found["spec"]["suspend"] = False
        self.api.replace(RAY_JOBS, found)
        if self.ray.state(name)[0] == "Suspended":
            self.ray.leave_suspension(name)
        return self.ray.get(name)

    def preempt(self, name: str) -> Document:
        """Quota is taken back from a running RayJob."""
        self._set_suspend(name, value=True)
        return self.ray.suspend(name)

    def flip(self, name: str, times: int = 10) -> Document:
        """Suspend and resume a RayJob in quick succession, as a busy queue does, and leave it not suspended."""
        for number in range(times):
            self._set_suspend(name, value=number % 2 == 0)
        return self._set_suspend(name, value=False)

    def set_job_suspended(self, name: str, *, value: bool) -> Document:
        """Suspend or resume a batch/v1 Job; the Job controller deletes or creates its pods."""
        return self.api.merge(JOBS, self.namespace, name, {"spec": {"suspend": value}})

    def _set_suspend(self, name: str, *, value: bool) -> Document:
        return self.api.merge(RAY_JOBS, self.namespace, name, {"spec": {"suspend": value}})
