"""One job on a cluster, as a test follows it: its status, its pods, and when what happened.

Decides how long is waited and what is told when the wait was in vain: conditions, pods, events, the end of the log.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.api import DISTILLATION_JOBS, JOBS, PODS, RAY_JOBS, ApiError, Document, Kind
from tests.e2e.cluster.installation import Installation
from urllib3.exceptions import HTTPError

PATIENCE = 1500.0
"""Seconds for anything that a job does: two busy cores take minutes to import what a training needs."""


class NotSeen(AssertionError):
    """What was waited for did not come."""


@dataclass
class Followed:
    """A DistillationJob of a namespace."""

    installation: Installation
    namespace: str
    name: str

    def document(self) -> Document:
        """The object; an empty one once it is gone, and while the API server does not answer."""
        try:
            return self.installation.api.find(DISTILLATION_JOBS, self.namespace, self.name) or {}
        except HTTPError:
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
            ("get", "dj", self.name, "-o", "jsonpath={.status}"),
            ("get", "pods,rayjobs,jobs", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "-l", f"gopd.io/job={self.name}", "--tail=30", "--prefix"),
        )
        told = [kubectl(*some, "-n", self.namespace, check=False).stdout[-4000:] for some in words]
        return "\n".join(told)


def head_process(followed: Followed, words: str) -> int:
    """The pid, on this machine, of the process of a job's head pod whose arguments hold `words`."""
    (pod,) = [one for one in followed.pods(part="train") if "deletionTimestamp" not in one["metadata"]]
    uid = pod["metadata"]["uid"]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inside = uid in (folder / "cgroup").read_text()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # ended meanwhile
            continue
        if inside and words in line:
            return int(folder.name)
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    raise NotSeen(f"no process with `{words}` in {pod['metadata']['name']}:\n{listed[-3000:]}")


@dataclass
class Timeline:
    """When objects of a namespace first looked like something, by watches that run beside the test."""

    installation: Installation
    namespace: str
    seen: list[tuple[float, str, Document]] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Timeline":
        for kind in (DISTILLATION_JOBS, RAY_JOBS, JOBS):
            thread = threading.Thread(target=self._watch, args=(kind,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *ignored: object) -> None:
        self._end.set()

    def moment(self, kind: Kind, true: Callable[[Document], Any]) -> float | None:
        """Seconds (monotonic) at which an object of a kind first made this true."""
        return next((at for at, plural, document in self.seen if plural == kind.plural and true(document)), None)

    def _watch(self, kind: Kind) -> None:
        while not self._end.is_set():
            try:
                for event, document in self.installation.api.watch(kind, self.namespace, seconds=60):
                    if event != "BOOKMARK":
                        self.seen.append((time.monotonic(), kind.plural, document))
                    if self._end.is_set():
                        return
            except (ApiError, HTTPError):
                time.sleep(0.2)
