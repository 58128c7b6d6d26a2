"""Plays the KubeRay operator on command: a RayJob goes through the states that KubeRay 1.6.2 writes, with its objects.

Decides what is written in each state (HTTPMode, `backoffLimit: 0`). When and how a job goes on, tests decide, event by
event, or `ray_autopilot` for many. Faults are in `ray_faults`, the queue's part is in `kueue`.
"""

import time
from collections.abc import Callable

from tests.cluster import pods, ray_cluster
from tests.cluster.api import RAY_CLUSTERS, RAY_JOBS, Api, ApiError, Document

FINALIZER = "ray.io/rayjob-finalizer"


class KubeRay:
    """The states of RayJobs in one namespace. Each method takes a RayJob's name, and most return the RayJob."""

    def __init__(self, api: Api, namespace: str, *, with_pods: bool = True) -> None:
        """`with_pods`: whether clusters get pods; thousands of jobs do without."""
        self.api, self.namespace, self.with_pods = api, namespace, with_pods

    # ---- looking

    def get(self, name: str) -> Document:
        return self.api.get(RAY_JOBS, self.namespace, name)

    def state(self, name: str) -> tuple[str, str]:
        """jobDeploymentStatus and jobStatus; empty where KubeRay has written nothing."""
        status = self.get(name).get("status") or {}
        return status.get("jobDeploymentStatus", ""), status.get("jobStatus", "")

    def wait_for(self, name: str, seconds: float = 30) -> Document:
        """The RayJob once it has been created. Raises TimeoutError."""
        give_up = time.monotonic() + seconds
        while (found := self.api.find(RAY_JOBS, self.namespace, name)) is None:
            if time.monotonic() > give_up:
                names = [one["metadata"]["name"] for one in self.api.list(RAY_JOBS, self.namespace)]
                raise TimeoutError(f"no RayJob {name} after {seconds} s; there are {names}")
            time.sleep(0.05)
        return found

    def pods(self, name: str, role: str = "") -> list[Document]:
        """Pods of the job's present cluster, `head` or `worker` or all."""
        cluster = self.get(name).get("status", {}).get("rayClusterName", "")
        return ray_cluster.pods_of(self.api, self.namespace, cluster, role) if cluster else []

    # ---- the way of a job that goes well

    def start(self, name: str) -> Document:
        """From nothing to running."""
        self.initialize(name)
        self.provision(name)
        return self.run(name)

    def initialize(self, name: str) -> Document:
        """New -> Initializing: the names are written first, then the cluster and its pods appear."""
        found = self.get(name)
        if FINALIZER not in (finalizers := found["metadata"].get("finalizers", [])):
            self.api.merge(RAY_JOBS, self.namespace, name, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})

        def change(status: Document) -> None:
            status["jobId"] = status.get("jobId") or ray_cluster.suffixed(name)
            status["rayClusterName"] = status.get("rayClusterName") or ray_cluster.suffixed(name)
            status |= {"jobDeploymentStatus": "Initializing", "startTime": pods.now()}

        found = self.write(name, change)
        if found["spec"].get("suspend"):
            return found
        cluster = self._cluster(found)
        return self.write(name, lambda status: status.update(rayClusterStatus=ray_cluster.status(cluster, ready=False)))

    def provision(self, name: str) -> Document:
        """The cluster's pods run and it is ready; the job is not submitted yet."""
        cluster = self._cluster(self.get(name))
        for pod in self.pods(name):
            pods.set_running(self.api, pod)
        ready = ray_cluster.status(cluster, ready=True)
        ray_cluster.write_status(self.api, cluster, ready)
        return self.get(name)

    def run(self, name: str, job_status: str = "RUNNING") -> Document:
        """Initializing -> Running; the Ray job is submitted. `job_status`: "", PENDING or RUNNING."""

        ready = ray_cluster.status(self._cluster(self.get(name)), ready=True)

        def change(status: Document) -> None:
            address = f"{status['rayClusterName']}-head-svc.{self.namespace}.svc.cluster.local:8265"
            status |= {"jobDeploymentStatus": "Running", "dashboardURL": address}
            if job_status:
                # KubeRay looks at the cluster again only when the dashboard has answered.
                status["rayClusterStatus"] = ready
                status |= {"jobStatus": job_status, "message": f"Job is currently {job_status.lower()}."}
                status["rayJobInfo"] = {"startTime": pods.now()}

        return self.write(name, change)

    def succeed(self, name: str, message: str = "Job finished successfully.") -> Document:
        """Running -> Complete with SUCCEEDED."""
        return self.end(name, "Complete", "SUCCEEDED", message=message)

    def end(self, name: str, deployment: str, job: str, *, reason: str = "", message: str = "") -> Document:
        """Any end, as the last write of KubeRay; the cluster goes at once if its time to live is 0.

        An empty `job` leaves the Ray job's own status as it was last seen.
        """

        def change(status: Document) -> None:
            status |= {"jobDeploymentStatus": deployment, "endTime": pods.now(), "message": message, "reason": reason}
            if job:
                status["jobStatus"] = job
                status["rayJobInfo"] = {**status.get("rayJobInfo", {}), "endTime": pods.now()}
            status["failed"] = status.get("failed", 0) + (deployment == "Failed")
            status["succeeded"] = status.get("succeeded", 0) + (deployment == "Complete" and job == "SUCCEEDED")

        found = self.write(name, change)
        if found["spec"].get("shutdownAfterJobFinishes") and not found["spec"].get("ttlSecondsAfterFinished"):
            self.shut_down(name)
        return found

    def shut_down(self, name: str) -> None:
        """Delete the cluster of an ended job: its time to live is over."""
        if cluster := self.get(name).get("status", {}).get("rayClusterName", ""):
            ray_cluster.delete(self.api, self.namespace, cluster)

    # ---- suspension and deletion

    def suspend(self, name: str) -> Document:
        """Initializing or Running -> Suspending -> Suspended, without stopping the Ray job first."""
        self.enter(name, "Suspending")
        self.shut_down(name)

        def change(status: Document) -> None:
            for gone in ("rayClusterName", "dashboardURL", "jobId", "message", "reason", "jobStatus"):
                status.pop(gone, None)
            status |= {"jobDeploymentStatus": "Suspended", "rayClusterStatus": ray_cluster.NOTHING, "rayJobInfo": {}}

        return self.write(name, change)

    def leave_suspension(self, name: str) -> Document:
        """Suspended -> New, after `suspend` became false."""
        return self.write(name, lambda status: status.pop("jobDeploymentStatus", None))

    def finalize(self, name: str) -> None:
        """Let a RayJob go that is being deleted: KubeRay takes its finalizer away whatever happens."""
        found = self.api.find(RAY_JOBS, self.namespace, name)
        if found and "deletionTimestamp" in found["metadata"]:
            kept = [one for one in found["metadata"].get("finalizers", []) if one != FINALIZER]
            self.api.merge(RAY_JOBS, self.namespace, name, {"metadata": {"finalizers": kept}})

    # ---- writing

    def enter(self, name: str, deployment: str) -> Document:
        """Any other jobDeploymentStatus, such as Retrying or Waiting, with nothing else changed."""
        return self.write(name, lambda status: status.update(jobDeploymentStatus=deployment))

    def write(self, name: str, change: Callable[[Document], object]) -> Document:
        """Change a status as KubeRay does: a whole update with the version that was read, repeated on conflict."""
        while True:
            found = self.get(name)
            status = found.get("status") or {}
            change(status)
            status.setdefault("failed", 0)
            status.setdefault("succeeded", 0)
            status.setdefault("rayClusterStatus", ray_cluster.NOTHING)
            status.setdefault("rayJobInfo", {})
            # Go leaves empty texts out.
            found["status"] = {field: value for field, value in status.items() if value != ""}
            try:
                return self.api.replace(RAY_JOBS, found, "status")
            except ApiError as error:
                if error.status != 409:
                    raise

    def _cluster(self, ray_job: Document) -> Document:
        name = ray_job["status"]["rayClusterName"]
        found = self.api.find(RAY_CLUSTERS, self.namespace, name)
        return found or ray_cluster.create(self.api, ray_job, name, with_pods=self.with_pods)
