"""A whole life of jobs as the world around the operator plays it, and what must be true at its end whatever happened.

Train, retry, suspend, resume, evaluate, compare, sweep, delete. The director does only what KubeRay, the kubelet, the
training and people do, waits for the operator as long as it takes, and bears an API server that is away for a while.
"""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from tests.apiserver.stage import Stage
from tests.cluster import ray_faults
from tests.cluster.api import DISTILLATION_JOBS, EVAL_JOBS, JOBS, RAY_JOBS, ApiError, Document, Kind
from tests.cluster.control_plane import ControlPlane
from tests.cluster.ray_autopilot import ray_autopilot
from urllib3.exceptions import HTTPError

PATIENCE = 240.0
QUICK: dict[str, Any] = {"lifecycle": {"backoff": {"initialSeconds": 1, "maxSeconds": 2}}}
SWEEP: dict[str, Any] = {
    "teachers": [{"name": "algebra", "model": "models/tiny-algebra"}],
    "sweep": {"rewardScale": [1.0, 1.25], "maxParallel": 2},
}


class Life:
    """One namespace's life. `made` holds the uids under which each RayJob, Job and job was ever seen."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.stage = Stage(control_plane, namespace)
        self.made: dict[str, set[str]] = defaultdict(set)
        self.over = threading.Event()

    # ---- the director

    @contextlib.contextmanager
    def played(self) -> Iterator["Life"]:
        """The world goes on by itself where it does: Jobs complete, deleted RayJobs go, all objects are noted."""
        stage = self.stage
        watchers = [
            threading.Thread(target=self._note, args=(kind,), daemon=True)
            for kind in (RAY_JOBS, JOBS, DISTILLATION_JOBS, EVAL_JOBS)
        ]
        for watcher in watchers:
            watcher.start()
        with stage.kubelet.autopilot(stage.answer), ray_autopilot(stage.api, stage.namespace, only_deletions=True):
            try:
                yield self
            finally:
                self.over.set()
        for watcher in watchers:
            watcher.join(10)

    def train(self) -> None:
        """Lose a machine, be suspended and resumed, succeed at the third attempt; evaluate and compare."""
        stage = self.stage
        self.patiently(lambda: stage.apply(**QUICK))
        first = self.started(1)
        self.patiently(lambda: stage.trains(first, 5, saved=(5,)))
        self.wait(lambda: stage.status().get("checkpoints"))
        self.wait(lambda: self._job_done("tiny-start-grade"))
        self.patiently(lambda: ray_faults.dashboard_unreachable(stage.ray, first))
        second = self.started(2)
        self.patiently(lambda: stage.trains(second, 6, resumed=5, saved=(5,)))
        self.wait(lambda: stage.condition("ResumeVerified"))
        self.patiently(lambda: stage.suspend(True))
        self.wait(lambda: stage.phase() == "Suspended" and not stage.rayjobs())
        self.patiently(lambda: stage.suspend(False))
        self.succeed(self.started(3))
        self.wait(lambda: stage.phase() == "Succeeded")

    def sweep(self) -> None:
        """Two children and their comparison."""
        self.patiently(lambda: self.stage.apply(name="sw", **QUICK, **SWEEP))
        for child in ("sw-s1-seed42", "sw-s1p25-seed42"):
            self.succeed(self.started(1, child))
        self.wait(lambda: self.stage.phase("sw") == "Succeeded")

    def delete(self) -> None:
        """Delete a job while it runs."""
        stage = self.stage
        self.patiently(lambda: stage.apply(name="gone", **QUICK))
        self.started(1, "gone")
        self.patiently(lambda: stage.api.delete(DISTILLATION_JOBS, stage.namespace, "gone"))
        self.wait(lambda: not [one for one in stage.rayjobs() if one["metadata"]["name"].startswith("gone")])

    def started(self, number: int, name: str = "tiny") -> str:
        """An attempt's RayJob, moved to running."""
        rayjob = f"{name}-a{number}"
        self.wait(lambda: self.stage.api.find(RAY_JOBS, self.stage.namespace, rayjob))
        self.patiently(lambda: self.stage.ray.start(rayjob))
        return rayjob

    def succeed(self, rayjob: str) -> None:
        self.patiently(lambda: self.stage.succeed(rayjob))

    def wait(self, what: Callable[[], Any], seconds: float = PATIENCE) -> None:
        """Until `what` is true, over an API server that is away."""
        give_up = time.monotonic() + seconds
        while not self.patiently(what):
            if time.monotonic() > give_up:
                self.stage.until(what, "the next chapter", 1)
            time.sleep(0.1)

    def patiently(self, act: Callable[[], Any]) -> Any:
        """Do it, again and again while the API server does not answer or is not itself yet."""
        give_up = time.monotonic() + 60
        while True:
            try:
                return act()
            except (ApiError, HTTPError) as error:
                there = isinstance(error, ApiError) and error.status == 409 and error.reason == "AlreadyExists"
                if there:
                    return None
                lasting = isinstance(error, ApiError) and error.status in (400, 404, 422)
                if lasting or time.monotonic() > give_up:
                    raise
                time.sleep(0.3)

    def _job_done(self, name: str) -> bool:
        found = self.stage.api.find(JOBS, self.stage.namespace, name)
        conditions = (found or {}).get("status", {}).get("conditions") or []
        return any(one["type"] == "Complete" and one["status"] == "True" for one in conditions)

    def _note(self, kind: Kind) -> None:
        api, namespace = self.stage.api, self.stage.namespace
        while not self.over.is_set():
            with contextlib.suppress(ApiError, HTTPError):
                for _, found in api.watch(kind, namespace, seconds=5):
                    self._keep(kind, found)
                    if self.over.is_set():
                        return
            time.sleep(0.1)

    def _keep(self, kind: Kind, found: Document) -> None:
        meta = found.get("metadata") or {}
        if "uid" in meta:
            self.made[f"{kind.plural}/{meta['name']}"].add(meta["uid"])

    # ---- the end

    def holds(self) -> None:
        """What must be true at the end of `train`, `sweep` and `delete`, whatever happened to the operator."""
        stage = self.stage
        twice = {name: uids for name, uids in self.made.items() if len(uids) > 1}
        assert twice == {}, "made twice"
        names = {name.partition("/")[2] for name in self.made if name.startswith("rayjobs/tiny")}
        assert names == {"tiny-a1", "tiny-a2", "tiny-a3"}
        status = stage.status()
        assert [(one["number"], one.get("failure")) for one in status["attempts"]] == [
            (1, "infrastructure"),
            (2, "suspension"),
            (3, None),
        ]
        failures = status["failures"]
        assert (failures["counted"], failures["uncounted"]) == (0, 1)
        assert [one["step"] for one in status["checkpoints"]] == [5, 10]
        assert {one["subject"] for one in status["evaluations"]} == {"start", "after", "compare"}
        assert {one["phase"] for one in status["children"]} == {"Complete"}
        assert stage.condition("ResumeVerified")["status"] == "True"
        assert stage.condition("Complete")["status"] == "True"
        assert stage.phase("sw", EVAL_JOBS) == "Succeeded"
