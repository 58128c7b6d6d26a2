"""One namespace of a real API server with everything that is not the operator: KubeRay, kubelet, trainings, people.

A training is played with the very token that the operator's objects give it, so what it may write is tested too.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.api import (
    CONFIG_MAPS,
    DISTILLATION_JOBS,
    EVAL_JOBS,
    EVENTS,
    JOBS,
    RAY_JOBS,
    Api,
    ApiError,
    Document,
    Kind,
)
from tests.cluster.control_plane import ControlPlane
from tests.cluster.jobs import JOB_LABEL, Kubelet
from tests.cluster.kuberay import KubeRay
from tests.cluster.pods import Outcome

from gopd_api.endings import Ending, ShortScore, compact, published_progress, published_report
from gopd_api.inspection import Inspection
from gopd_api.reports import Progress, SavedCheckpoint, TrainReport
from gopd_api.requests import TrainRequest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ENDED = ("Succeeded", "Failed", "Invalid")


class Stage:
    """What happens around the operator in one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.control_plane, self.namespace = control_plane, namespace
        self.api: Api = control_plane.api
        self.ray = KubeRay(self.api, namespace)
        self.kubelet = Kubelet(self.api, namespace)
        self._trainers: dict[str, Api] = {}

    # ---- people

    def apply(self, example: str = "tiny", name: str | None = None, **spec: Any) -> Document:
        """Create an example, with parts of its spec replaced."""
        body = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text(encoding="utf-8"))
        body["metadata"] |= {"namespace": self.namespace, "name": name or body["metadata"]["name"]}
        body["spec"] |= spec
        return self.api.create(EVAL_JOBS if body["kind"] == "EvalJob" else DISTILLATION_JOBS, self.namespace, body)

    def job(self, name: str = "tiny", kind: Kind = DISTILLATION_JOBS) -> Document:
        return self.api.get(kind, self.namespace, name)

    def status(self, name: str = "tiny", kind: Kind = DISTILLATION_JOBS) -> Document:
        """Empty while the object is not there yet."""
        body = self.api.find(kind, self.namespace, name) or {}
        found: Document = body.get("status") or {}
        return found

    def phase(self, name: str = "tiny", kind: Kind = DISTILLATION_JOBS) -> str:
        return str(self.status(name, kind).get("phase", ""))

    def condition(self, kind: str, name: str = "tiny") -> Document:
        """A condition of a DistillationJob, empty when it has not got it."""
        return next((one for one in self.status(name).get("conditions", []) if one["type"] == kind), {})

    def suspend(self, value: bool, name: str = "tiny") -> None:
        self.api.merge(DISTILLATION_JOBS, self.namespace, name, {"spec": {"lifecycle": {"suspend": value}}})

    def events(self, name: str = "tiny") -> list[str]:
        """Reasons of the events told of a job."""
        found = self.api.list(EVENTS, self.namespace)
        return [one["reason"] for one in found if one["involvedObject"]["name"] == name]

    # ---- waiting

    def until(self, what: Callable[[], Any], words: str = "", seconds: float = 30) -> Any:
        """The value of `what` once it is true. Raises TimeoutError with the job's status."""
        give_up = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > give_up:
                jobs = {
                    one["metadata"]["name"]: one.get("status")
                    for one in self.api.list(DISTILLATION_JOBS, self.namespace)
                }
                raise TimeoutError(f"{words or 'it'} did not come within {seconds:.0f} s; jobs: {jobs}")
            time.sleep(0.05)
        return found

    def wait_phase(self, *phases: str, name: str = "tiny", kind: Kind = DISTILLATION_JOBS, seconds: float = 30) -> str:
        self.until(lambda: self.phase(name, kind) in phases, f"phase {phases} of {name}", seconds)
        return self.phase(name, kind)

    def wait_attempt(self, number: int, name: str = "tiny", seconds: float = 30) -> str:
        """The RayJob's name of an attempt once it has been created."""
        self.ray.wait_for(f"{name}-a{number}", seconds)
        return f"{name}-a{number}"

    # ---- the training

    def request(self, rayjob: str) -> TrainRequest:
        """The request that the RayJob's pods mount."""
        spec = self.ray.get(rayjob)["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
        volume = next(one for one in spec["volumes"] if one["name"] == "request")
        held = self.api.get(CONFIG_MAPS, self.namespace, volume["configMap"]["name"])
        return TrainRequest.read(held["data"]["request.json"])

    def trainer(self, rayjob: str) -> Api:
        """The API server as the training sees it: with the token of its own service account."""
        spec = self.ray.get(rayjob)["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
        account = spec["serviceAccountName"]
        if account not in self._trainers:
            self._trainers[account] = self.control_plane.account_api(self.namespace, account)
        return self._trainers[account]

    def trains(
        self,
        rayjob: str,
        step: int,
        resumed: int = 0,
        saved: tuple[int, ...] = (),
        phase: Any = "training",
        run: str | None = None,
    ) -> None:
        """The training writes its progress; `run`: the MLflow run that it records into."""
        request = self.request(rayjob)
        checkpoints = [
            SavedCheckpoint(step=one, path=f"/c/{one}", export=f"{request.paths.exports}/step-{one}") for one in saved
        ]
        progress = Progress(
            request_digest=request.digest(),
            attempt=request.attempt,
            phase=phase,
            step=step,
            total_steps=request.optimization.steps or 0,
            resumed_from=resumed,
            checkpoints=checkpoints,
            heartbeat=datetime.now(UTC).isoformat(),
            mlflow_run_id=run,
        )
        self._publish(rayjob, request, {"progress": published_progress(progress), "report": None})

    def reports(self, rayjob: str, outcome: Any, reason: str = "Completed", message: str = "") -> None:
        """The training writes its report."""
        request = self.request(rayjob)
        report = TrainReport(
            request_digest=request.digest(), outcome=outcome, reason=reason, message=message, step=10, total_steps=10
        )
        self._publish(rayjob, request, {"report": published_report(report)})

    def _publish(self, rayjob: str, request: TrainRequest, data: dict[str, str | None]) -> None:
        """As the training does: what it may not write yet it writes again."""
        target = request.publish
        assert target is not None

        def written() -> bool:
            try:
                self.trainer(rayjob).merge(CONFIG_MAPS, self.namespace, target.config_map, {"data": data})
            except ApiError as error:
                if error.status != 403:
                    raise
                return False
            return True

        self.until(written, f"the permission of {rayjob} to write its progress", 30)

    def succeed(self, rayjob: str) -> None:
        """The training ends well, and KubeRay sees it."""
        expects = self.status(rayjob.rpartition("-a")[0])["attempts"][-1]["expects"]
        self.trains(rayjob, 10, resumed=expects, saved=(5, 10), phase="finished")
        self.reports(rayjob, "succeeded")
        self.ray.succeed(rayjob)

    # ---- the evaluation

    def answer(self, pod: Document) -> Outcome | str:
        """How a pod of an evaluation or an inspection ends well: with what the operator reads from it."""
        labels = pod["metadata"]["labels"]
        part = labels["gopd.io/part"]
        if part == "inspect":
            return compact(Inspection(prompts=64))
        try:
            job = self.api.get(JOBS, self.namespace, labels[JOB_LABEL])
        except ApiError:
            return ""
        digest = job["metadata"]["annotations"]["gopd.io/digest"]
        step = labels["gopd.io/step"].removeprefix("evaluate-")
        subject = "after" if step == "end" else step
        score = ShortScore(subject=subject, task="kl-to-teacher", metric="kl", better="lower", value=0.5)
        scores = [] if part == "generate" else [score]
        return compact(Ending.fitting(digest, "succeeded", "Completed", scores=scores))

    def rayjobs(self) -> list[Document]:
        return self.api.list(RAY_JOBS, self.namespace)
