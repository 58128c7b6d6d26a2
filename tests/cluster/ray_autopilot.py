"""Plays KubeRay for many RayJobs at once, in the background: each starts, runs for a while and ends as a function says.

Decides which step of `kuberay` is next for a RayJob that appears, changes or is deleted.
"""

from collections.abc import Callable

from tests.cluster.api import RAY_JOBS, Api, Document
from tests.cluster.autopilot import Action, Autopilot
from tests.cluster.kuberay import FINALIZER, KubeRay

Ending = Callable[[KubeRay, str], object]
"""What to do with a RayJob when its time is over: `KubeRay.succeed`, or a fault of `ray_faults`."""


def ray_autopilot(
    api: Api,
    namespace: str = "",
    *,
    delay: float = 0,
    run_for: float = 0,
    ending: Callable[[Document], Ending | None] = lambda ray_job: KubeRay.succeed,
    with_pods: bool = True,
    only_deletions: bool = False,
) -> Autopilot:
    """An autopilot for the RayJobs of a namespace, or of all. Start it with `with`.

    `delay`: seconds from creation to the start; `run_for`: seconds from running to the end; `ending`: by RayJob, None
    to let it run on. With `only_deletions` it only lets deleted RayJobs go, for tests that do the rest by hand.
    """

    def react(found: Document) -> Action | None:
        metadata, status = found["metadata"], found.get("status") or {}
        name, ray = metadata["name"], KubeRay(api, metadata["namespace"], with_pods=with_pods)
        if "deletionTimestamp" in metadata:
            leaving = FINALIZER in metadata.get("finalizers", [])
            return Action("finalize", 0, lambda: ray.finalize(name)) if leaving else None
        if only_deletions:
            return None
        deployment, suspended = status.get("jobDeploymentStatus", ""), bool(found["spec"].get("suspend"))
        if suspended:
            return _suspended(ray, name, deployment, metadata["generation"])
        if deployment == "":
            return Action(f"start-{metadata['generation']}", delay, lambda: _start(ray, name))
        if deployment == "Suspended":
            return Action(f"leave-{metadata['generation']}", 0, lambda: ray.leave_suspension(name))
        end = ending(found) if deployment == "Running" and status.get("jobStatus") == "RUNNING" else None
        return (
            None
            if end is None
            else Action(f"end-{status['jobId']}", run_for, lambda: _end(ray, name, status["jobId"], end))
        )

    return Autopilot(api, RAY_JOBS, namespace, react)


def _suspended(ray: KubeRay, name: str, deployment: str, generation: int) -> Action | None:
    if deployment == "":
        return Action(f"park-{generation}", 0, lambda: _park(ray, name))
    if deployment in ("Initializing", "Running"):
        return Action(f"suspend-{generation}", 0, lambda: _suspend(ray, name))
    return None


def _start(ray: KubeRay, name: str) -> None:
    if ray.state(name)[0] == "" and not ray.get(name)["spec"].get("suspend"):
        ray.start(name)


def _park(ray: KubeRay, name: str) -> None:
    if ray.state(name)[0] == "":
        ray.initialize(name)
        ray.suspend(name)


def _suspend(ray: KubeRay, name: str) -> None:
    if ray.state(name)[0] in ("Initializing", "Running") and ray.get(name)["spec"].get("suspend"):
        ray.suspend(name)


def _end(ray: KubeRay, name: str, job_id: str, end: Ending) -> None:
    """Only the run that was meant: it may have been suspended and started anew meanwhile."""
    if (ray.get(name).get("status") or {}).get("jobId") == job_id and ray.state(name)[0] == "Running":
        end(ray, name)
