"""One job on a cluster, as a test follows it: its status, its pods, its run, its files.

Decides how long is waited and what is told when the wait was in vain: conditions, pods, events, the end of the log.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import DISTILLATION_JOBS, PODS, ApiError, Document, Kind
from tests.e2e.cluster.installation import CLAIM, Installation
from tests.e2e.cluster.recorded import Recorded
from urllib3.exceptions import HTTPError

PATIENCE = 1500.0
"""Seconds for anything that a job does: two busy cores take minutes to import what a training needs."""


class NotSeen(AssertionError):
    """What was waited for did not come."""


@dataclass
class Followed:
    """A job of a namespace."""

    installation: Installation
    namespace: str
    name: str
    kind: Kind = DISTILLATION_JOBS

    def document(self) -> Document:
        """The object; an empty one once it is gone, and while the API server does not answer."""
        try:
            return self.installation.api.find(self.kind, self.namespace, self.name) or {}
        except (ApiError, HTTPError):
            return {}

    def status(self) -> Document:
        found: Document = self.document().get("status") or {}
        return found

    def phase(self) -> str:
        return str(self.status().get("phase", ""))

    def step(self) -> int:
        """Steps that are done."""
        return int(self.status().get("progress", {}).get("step", 0))

    def checkpoint(self) -> int:
        """Step of the newest checkpoint."""
        return max((one["step"] for one in self.status().get("checkpoints", [])), default=0)

    def attempts(self) -> list[Document]:
        found: list[Document] = self.status().get("attempts", [])
        return found

    def condition(self, name: str) -> Document:
        conditions: list[Document] = self.status().get("conditions", [])
        return next((one for one in conditions if one["type"] == name), {})

    def pods(self, **labels: str) -> list[Document]:
        """The job's pods; labels of gopd.io by short name."""
        named = ",".join(f"gopd.io/{key}={value}" for key, value in {"job": self.name, **labels}.items())
        return self.installation.api.list(PODS, self.namespace, labels=named)

    def run(self) -> Recorded:
        """Its run in MLflow; there has to be one by now."""
        return Recorded(self.installation, self.status()["mlflow"]["runId"])

    def folder(self) -> Path:
        """Its own folder on the volume, on this machine."""
        root = self.installation.cluster.volumes / f"{self.namespace}-{CLAIM}"
        return root / "jobs" / self.namespace / f"{self.name}-{self.document()['metadata']['uid'][:8]}"

    def trains(self, steps: int = 2) -> None:
        """See the training go on by some steps."""
        seen = self.step()
        self.wait(f"step after {seen}", lambda: self.step() >= seen + steps)

    def wait(self, what: str, true: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Poll until true. Raises NotSeen with how the job stands."""
        give_up = time.monotonic() + patience
        while not true():
            if time.monotonic() > give_up:
                raise NotSeen(f"{self.name}: no {what} within {patience:.0f} s\n{self.story()}")
            if self.phase() in ("Failed", "Invalid") and not true():
                raise NotSeen(f"{self.name}: {self.phase()} before {what}\n{self.story()}")
            time.sleep(0.5)

    def wait_for_end(self, phase: str = "Succeeded", patience: float = PATIENCE) -> Document:
        """The status at the end, which must be this phase."""
        self.wait(f"phase {phase}", lambda: self.phase() == phase, patience)
        return self.status()

    def story(self) -> str:
        """Everything that a person would look at."""
        kubectl = self.installation.access.kubectl
        words = (
            ("get", self.kind.plural, self.name, "-o", "jsonpath={.status}"),
            ("get", "pods,rayjobs,jobs", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "-l", f"gopd.io/job={self.name}", "--tail=30", "--prefix"),
        )
        told = [kubectl(*some, "-n", self.namespace, check=False).stdout[-4000:] for some in words]
        return "\n".join(told)
