"""When objects first looked like something, by watches that run beside the tests.

Decides nothing about what is a moment: who asks says what to look for. While nobody answers, moments are seen late.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from tests.cluster.api import DISTILLATION_JOBS, JOBS, RAY_JOBS, ApiError, Document, Kind
from tests.e2e.cluster.installation import Installation
from urllib3.exceptions import HTTPError

WATCHED = (DISTILLATION_JOBS, RAY_JOBS, JOBS)
Look = Callable[[Kind, Callable[[Document], bool]], float | None]


@dataclass
class Timeline:
    """Every state of jobs and of what they are made of, in all namespaces, with the moment at which it was seen."""

    installation: Installation
    running: bool = True
    _seen: list[tuple[float, str, Document]] = field(default_factory=list)

    def __enter__(self) -> Self:
        for kind in WATCHED:
            threading.Thread(target=self._watch, args=(kind,), daemon=True).start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self.running = False

    def jobs(self) -> list[tuple[str, str]]:
        """Namespace and name of every DistillationJob that was seen."""
        named = (one["metadata"] for _, plural, one in list(self._seen) if plural == DISTILLATION_JOBS.plural)
        return list(dict.fromkeys((one["namespace"], one["name"]) for one in named))

    def of(self, namespace: str, job: str) -> Look:
        """Looks for the first moment (monotonic seconds) at which something of a job was as asked; None for never."""

        def first(kind: Kind, true: Callable[[Document], bool]) -> float | None:
            return next((at for at, one in self._states(kind, namespace, job) if true(one)), None)

        return first

    def lasted(self) -> list[tuple[float, float | None]]:
        """Begin and good end of every job."""
        spans = []
        for namespace, name in self.jobs():
            look = self.of(namespace, name)
            end = look(DISTILLATION_JOBS, lambda one: one.get("status", {}).get("phase") == "Succeeded")
            spans.append((look(DISTILLATION_JOBS, lambda one: True) or 0.0, end))
        return spans

    def _states(self, kind: Kind, namespace: str, job: str) -> Iterator[tuple[float, Document]]:
        for at, plural, one in list(self._seen):
            meta = one["metadata"]
            mine = meta["name"] if kind is DISTILLATION_JOBS else (meta.get("labels") or {}).get("gopd.io/job")
            if plural == kind.plural and (meta["namespace"], mine) == (namespace, job):
                yield at, one

    def _watch(self, kind: Kind) -> None:
        while self.running:
            try:
                for event, document in self.installation.api.watch(kind, seconds=60):
                    if event in ("ADDED", "MODIFIED"):
                        self._seen.append((time.monotonic(), kind.plural, document))
            except (ApiError, HTTPError, ValueError):  # gone, or cut off in the middle of a line
                time.sleep(0.2)


def condition(document: Document, name: str) -> bool:
    """Whether an object has a condition that is true."""
    conditions = document.get("status", {}).get("conditions") or []
    return any(one["type"] == name and one["status"] == "True" for one in conditions)
