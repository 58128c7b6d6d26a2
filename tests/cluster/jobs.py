"""Plays the kubelet for batch/v1 Jobs: the Job controller is real and creates pods, which are moved here on command.

Decides nothing by itself: tests, or a function that they give, say how each pod ends.
"""

import time
from collections.abc import Callable

from tests.cluster import pods
from tests.cluster.api import JOBS, PODS, Api, Document
from tests.cluster.autopilot import Action, Autopilot
from tests.cluster.pods import OUT_OF_MEMORY, Outcome

JOB_LABEL = "batch.kubernetes.io/job-name"


def index_of(pod: Document) -> int | None:
    """The completion index of a pod of an Indexed Job."""
    index = pod["metadata"].get("annotations", {}).get("batch.kubernetes.io/job-completion-index")
    return None if index is None else int(index)


class Kubelet:
    """Moves the pods of Jobs in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def pods_of(self, job: str, *, live: bool = True) -> list[Document]:
        """A Job's pods by index; `live`: only those that have not ended and are not being deleted."""
        found = self.api.list(PODS, self.namespace, labels=f"{JOB_LABEL}={job}")
        if live:
            found = [pod for pod in found if _is_live(pod)]
        return sorted(found, key=lambda pod: (index_of(pod) or 0, pod["metadata"]["creationTimestamp"]))

    def wait_for_pods(self, job: str, count: int = 1, seconds: float = 30) -> list[Document]:
        """The live pods of a Job once there are so many. Raises TimeoutError."""
        give_up = time.monotonic() + seconds
        while len(found := self.pods_of(job)) < count:
            if time.monotonic() > give_up:
                raise TimeoutError(f"Job {job} has {len(found)} of {count} pods after {seconds} s")
            time.sleep(0.05)
        return found

    def run(self, pod: Document) -> None:
        pods.set_running(self.api, pod)

    def succeed(self, pod: Document, message: str = "") -> None:
        pods.set_ended(self.api, pod, Outcome(0, message))

    def fail(self, pod: Document, exit_code: int = 1, message: str = "") -> None:
        pods.set_ended(self.api, pod, Outcome(exit_code, message))

    def out_of_memory(self, pod: Document) -> None:
        pods.set_ended(self.api, pod, OUT_OF_MEMORY)

    def disrupt(self, pod: Document, reason: str = "PreemptionByScheduler") -> None:
        """End it from outside, then delete it: the Job controller replaces it."""
        pods.set_disrupted(self.api, pod, reason)
        pods.vanish(self.api, pod)

    def image_cannot_be_pulled(self, pod: Document) -> None:
        pods.set_image_not_pulled(self.api, pod)

    def finish(
        self, job: str, answer: Callable[[Document], Outcome | str] = lambda pod: "", seconds: float = 60
    ) -> Document:
        """Let pods run and end as `answer` says until the Job is Complete or Failed; the Job. Raises TimeoutError."""
        give_up = time.monotonic() + seconds
        while not (end := ended(found := self.api.get(JOBS, self.namespace, job))):
            if time.monotonic() > give_up:
                raise TimeoutError(f"Job {job} did not end within {seconds} s: {found.get('status')}")
            for pod in self.pods_of(job):
                self._end(pod, answer)
            time.sleep(0.05)
        assert end in ("Complete", "Failed")
        return found

    def autopilot(
        self, answer: Callable[[Document], Outcome | str] = lambda pod: "", *, delay: float = 0, labels: str = JOB_LABEL
    ) -> Autopilot:
        """Ends every pod of every Job as `answer` says (an Outcome, or the message of a success), after a delay.

        An empty namespace serves all. Start it with `with`.
        """

        def react(pod: Document) -> Action | None:
            return Action("end", delay, lambda: self._end(pod, answer)) if _is_live(pod) else None

        return Autopilot(self.api, PODS, self.namespace, react, labels=labels)

    def _end(self, pod: Document, answer: Callable[[Document], Outcome | str]) -> None:
        pods.set_running(self.api, pod)
        outcome = answer(pod)
        pods.set_ended(self.api, pod, Outcome(0, outcome) if isinstance(outcome, str) else outcome)


def ended(job: Document) -> str:
    """`Complete`, `Failed`, or nothing yet."""
    conditions = job.get("status", {}).get("conditions") or []
    return next(
        (one["type"] for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"), ""
    )


def _is_live(pod: Document) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") in ("Pending", "Running")
