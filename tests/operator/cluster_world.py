"""A cluster in memory for the pure core: objects are dictionaries, KubeRay and Jobs move by hand, effects may stop.

It keeps to what the API server and KubeRay really do (names are taken once, deletions take two steps, statuses have
KubeRay's words), so that what holds here is worth trying on a real API server; it has no conflicts and no watches.
"""

import copy
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gopd_api.endings import Ending, ShortScore, compact
from gopd_api.inspection import Inspection
from gopd_api.load import load_file
from gopd_api.objects import KINDS, DistillationJob, EvalJob
from gopd_api.reports import Progress, SavedCheckpoint, TrainReport
from gopd_api.requests import TrainRequest
from gopd_api.status import Attempt, DistillationJobStatus, EvalJobStatus
from gopd_operator.core.cluster.deciding import decide
from gopd_operator.core.cluster.decision import Decision, Look
from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.cluster.seen import (
    PodSeen,
    ProgressSeen,
    RayJobSeen,
    Seen,
    job_seen,
    rayjob_seen,
)
from gopd_operator.core.settings import OperatorSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
Body = dict[str, Any]


def as_text(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tiny_job(**spec: Any) -> DistillationJob:
    """examples/tiny.yaml with changes of its spec, as the API server holds it."""
    job = load_file(EXAMPLES / "tiny.yaml")[0]
    body = job.model_dump(mode="json", by_alias=True, exclude_none=True)
    body["spec"] |= {"storage": {"claim": "gopd"}} | spec
    body["metadata"] |= {"uid": "11111111-2222-4333-8444-555555555555", "generation": 1}
    return DistillationJob.model_validate(body)


@dataclass
class World:
    """One job and everything that was made for it."""

    job: DistillationJob | EvalJob
    settings: OperatorSettings = field(default_factory=lambda: OperatorSettings(inspect=False))
    now: float = START
    objects: dict[tuple[str, str], Body] = field(default_factory=dict)
    progress: Progress | None = None
    report: TrainReport | None = None
    heartbeat_at: float = START
    pods: dict[str, list[PodSeen]] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    """Every creation that took place, in order: kind/name."""
    written: int = 0
    deleted: bool = False

    def __post_init__(self) -> None:
        form = DistillationJobStatus if isinstance(self.job, DistillationJob) else EvalJobStatus
        self.status: EvalJobStatus | DistillationJobStatus = form()
        self.uids = itertools.count(1)

    # --- what the operator does

    def look(self) -> Look:
        rayjobs = [rayjob_seen(body) for body in self.of("RayJob")]
        jobs = [job_seen(body) for body in self.of("Job")]
        progress = ProgressSeen(self.progress, self.report, self.now - self.heartbeat_at)
        seen = Seen(rayjobs, jobs, (), progress, self.pods)
        return Look(Context(self.job, self.settings), self.status, seen, self.now)

    def decide(self) -> Decision:
        return decide(self.look())

    def effects(self, decision: Decision) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = [("create", manifest) for manifest in decision.before]
        if decision.status != self.status:
            found.append(("status", decision.status))
        found += [("delete", target) for target in decision.deletes]
        found += [("create", manifest) for manifest in (*decision.creates, *decision.later)]
        if decision.delete_job:
            found.append(("delete-job", None))
        return found

    def act(self, most: int | None = None) -> int:
        """Decide once and carry out the first `most` effects; how many there were in all."""
        effects = self.effects(self.decide())
        for kind, what in effects[:most]:
            self._do(kind, what)
        return len(effects)

    def settle(self, rounds: int = 30) -> None:
        """Act until there is nothing to do. Deletions are completed in between."""
        for _ in range(rounds):
            if not self.act():
                return
            self.finish_deletions()
        raise AssertionError(f"the operator does not come to rest: {self.effects(self.decide())}")

    def _do(self, kind: str, what: Any) -> None:
        if kind == "status":
            self.status = type(self.status).model_validate(what.model_dump(by_alias=True))
            self.written += 1
        elif kind == "delete":
            body = self.objects.get((what.kind, what.name))
            if body is not None and body["metadata"]["uid"] == what.uid:
                body["metadata"]["deletionTimestamp"] = as_text(self.now)
        elif kind == "create":
            self._create(what)
        else:
            self.deleted = True

    def _create(self, manifest: Body) -> None:
        place = (manifest["kind"], manifest["metadata"]["name"])
        if place in self.objects:
            return  # 409 counts as created
        body = copy.deepcopy(manifest)
        body["metadata"] |= {"uid": f"uid-{next(self.uids)}", "creationTimestamp": as_text(self.now)}
        self.objects[place] = body
        self.created.append(f"{place[0]}/{place[1]}")

    # --- what others do

    def finish_deletions(self) -> None:
        self.objects = {at: body for at, body in self.objects.items() if "deletionTimestamp" not in body["metadata"]}

    def of(self, kind: str) -> list[Body]:
        return [body for (found, _), body in self.objects.items() if found == kind]

    @property
    def rayjob(self) -> Body:
        """The newest RayJob."""
        return self.of("RayJob")[-1]

    @property
    def attempt(self) -> int:
        return rayjob_seen(self.rayjob).attempt

    def rayjobs_alive(self) -> list[RayJobSeen]:
        return [one for one in map(rayjob_seen, self.of("RayJob")) if not one.terminal]

    def request(self) -> TrainRequest:
        """The request of the newest attempt."""
        config = self.rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["volumes"][0]
        text = self.objects["ConfigMap", config["configMap"]["name"]]["data"]["request.json"]
        return TrainRequest.read(text)

    def kuberay(self, deployment: str, job: str = "", **more: Any) -> None:
        """KubeRay writes the newest RayJob's status."""
        status = self.rayjob.setdefault("status", {})
        status |= {"jobDeploymentStatus": deployment, "rayClusterName": f"{self.rayjob['metadata']['name']}-x"}
        if job:
            status["jobStatus"] = job
        if deployment == "Initializing":
            status["startTime"] = as_text(self.now)
        if deployment in ("Complete", "Failed"):
            status["endTime"] = as_text(self.now)
        status |= more

    def trains(self, step: int, resumed: int = 0, saved: tuple[int, ...] = (), phase: Any = "training") -> None:
        """The training of the newest attempt writes its progress."""
        request = self.request()
        checkpoints = [
            SavedCheckpoint(step=one, path=f"/c/{one}", export=f"{request.paths.exports}/step-{one}") for one in saved
        ]
        self.progress = Progress(
            request_digest=request.digest(),
            attempt=request.attempt,
            phase=phase,
            step=step,
            total_steps=10,
            resumed_from=resumed,
            checkpoints=checkpoints,
            mlflow_run_id="run-1",
            heartbeat=as_text(self.now),
        )
        self.report, self.heartbeat_at = None, self.now

    def reports(self, outcome: Any, reason: str = "Completed", message: str = "", step: int = 10) -> None:
        """The training writes its report."""
        self.report = TrainReport(
            request_digest=self.request().digest(),
            outcome=outcome,
            reason=reason,
            message=message,
            step=step,
            total_steps=10,
        )

    def pod(self, name: str, message: str = "", **more: Any) -> None:
        """The pod of a RayJob or Job, as it was seen last."""
        given: dict[str, Any] = {"head": True, "phase": "Failed"} | more
        self.pods[name] = [PodSeen(name=f"{name}-pod", message=message, **given)]

    def job_ends(self, name: str, good: bool = True, scores: int = 0, message: str = "") -> None:
        """A Job completes, or fails, and its pod leaves an ending."""
        body = self.objects["Job", name]
        digest = body["metadata"]["annotations"]["gopd.io/digest"]
        condition = {"type": "Complete" if good else "Failed", "status": "True", "reason": "", "message": ""}
        body["status"] = {"conditions": [condition]}
        listed = [
            ShortScore(subject=f"step-{n}", task="kl", metric="kl", better="lower", step=n, value=1 / (n + 1))
            for n in range(scores)
        ]
        outcome: Any = "succeeded" if good else "failed"
        self.pod(name, compact(Ending.fitting(digest, outcome, "Completed" if good else "Error", message, listed)))

    def inspection_says(self, name: str, inspection: Inspection) -> None:
        """The inspection's Job ends with these words."""
        self.objects["Job", name]["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        self.pods[name] = [PodSeen(name=f"{name}-pod", head=False, phase="Succeeded", message=compact(inspection))]

    def change(self, **lifecycle: Any) -> None:
        """A person changes `spec.lifecycle`."""
        body = self.job.model_dump(mode="json", by_alias=True, exclude_none=True)
        body["spec"]["lifecycle"] |= lifecycle
        body["metadata"]["generation"] += 1
        self.job = KINDS[self.job.kind].model_validate(body)

    def measure_all(self) -> None:
        """Every Job that is active completes, again and again until none is left."""
        for _ in range(20):
            self.settle()
            active = [body["metadata"]["name"] for body in self.of("Job") if job_seen(body).state == "active"]
            if not active:
                return
            for name in active:
                self.job_ends(name, scores=1)
        raise AssertionError("there is always another Job")

    def start(self) -> None:
        """Up to a training that runs, with everything measured that can be."""
        self.settle()
        self.kuberay("Initializing")
        self.settle()
        self.kuberay("Running", "RUNNING")
        self.trains(1)
        self.measure_all()

    def succeed(self) -> None:
        """The training ends well."""
        self.trains(10, saved=(5, 10), phase="finished")
        self.reports("succeeded")
        self.kuberay("Complete", "SUCCEEDED")
        self.measure_all()

    def training(self) -> DistillationJobStatus:
        assert isinstance(self.status, DistillationJobStatus)
        return self.status

    def phase(self) -> str:
        return self.status.phase

    def shown(self) -> str | None:
        progress = self.training().progress
        return progress.display if progress else None

    @property
    def attempts(self) -> list[Attempt]:
        return self.training().attempts

    def condition(self, kind: str) -> Any:
        return next((one for one in self.status.conditions if one.type == kind), None)
