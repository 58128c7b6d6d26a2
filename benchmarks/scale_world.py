"""What happens around the operator in a measurement of its scale: people, KubeRay's words, and somebody who watches.

Decides how thousands of objects are created, moved and followed. What is measured and when is `operator_scale`'s.
"""

import contextlib
import copy
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import yaml
from tests.apiserver.stage import EXAMPLES
from tests.cluster.api import DISTILLATION_JOBS, RAY_JOBS, Api, ApiError, Document, Kind
from tests.cluster.pods import now
from urllib3.exceptions import HTTPError

THREADS = 12


class Follower:
    """Follows a kind by a watch of its own: `seen` holds when each object first looked as it should."""

    def __init__(self, api: Api, kind: Kind, namespace: str, wanted: Callable[[Document], bool]) -> None:
        self.api, self.kind, self.namespace, self.wanted = api, kind, namespace, wanted
        self.seen: dict[str, float] = {}
        self.events = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._version = str(
            self.api.request("GET", self.kind.path(self.namespace), limit=1)["metadata"]["resourceVersion"]
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(10)

    def until(self, names: Iterable[str], seconds: float) -> bool:
        """Wait until every one of `names` has been seen; whether that was so in time."""
        missing, give_up = set(names), time.monotonic() + seconds
        while missing := {name for name in missing if name not in self.seen}:
            if time.monotonic() > give_up:
                return False
            time.sleep(0.1)
        return True

    def _follow(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(HTTPError):
                for event, found in self.api.watch(self.kind, self.namespace, version=self._version, seconds=5):
                    at = time.monotonic()
                    if event == "ERROR":
                        raise ApiError(int(found.get("code", 410)), "the watch is too old")
                    self._version = found["metadata"]["resourceVersion"]
                    if event != "BOOKMARK":
                        self.events += 1
                        if found["metadata"]["name"] not in self.seen and self.wanted(found):
                            self.seen[found["metadata"]["name"]] = at


def in_parallel(work: Callable[[Any], object], on: Iterable[Any]) -> float:
    """Do `work` on each, some at a time; the seconds that it took."""
    begun = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(work, on):
            pass
    return time.monotonic() - begun


def example(name: str) -> Document:
    """A DistillationJob of `examples/`."""
    body: Document = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return body


def create_job(api: Api, namespace: str, body: Document, name: str) -> float:
    """Create a job like `body`; the monotonic time right before."""
    made = {**body, "metadata": {**body["metadata"], "name": name}}
    begun = time.monotonic()
    api.create(DISTILLATION_JOBS, namespace, made)
    return begun


def create_at(rate: float, names: list[str], create: Callable[[str], float]) -> dict[str, float]:
    """Create so many a second, whether or not earlier ones have been answered; when each was sent."""
    begun, sent = time.monotonic(), {}

    def one(numbered: tuple[int, str]) -> None:
        number, name = numbered
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        sent[name] = create(name)

    in_parallel(one, enumerate(names))
    return sent


def mark_running(api: Api, places: Iterable[tuple[str, str]]) -> float:
    """Write KubeRay's words for a training that runs into RayJobs, by namespace and name; the seconds that it took."""

    def one(place: tuple[str, str]) -> None:
        namespace, name = place
        status = {
            "jobId": f"{name}-x",
            "jobDeploymentStatus": "Running",
            "jobStatus": "RUNNING",
            "rayClusterName": f"{name}-c",
            "startTime": now(),
        }
        api.merge(RAY_JOBS, namespace, name, {"status": status}, "status")

    return in_parallel(one, places)


def copy_rayjobs(api: Api, source: Document, namespace: str, count: int) -> float:
    """Create RayJobs with the spec of `source`, which belong to nobody; the seconds that it took."""
    spec = copy.deepcopy(source["spec"])

    def one(name: str) -> None:
        api.create(
            RAY_JOBS, namespace, {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name}, "spec": spec}
        )

    return in_parallel(one, names("copy", count))


def names(prefix: str, count: int) -> list[str]:
    """Names of `count` objects."""
    return [f"{prefix}-{number:05d}" for number in range(count)]


def versions(api: Api, kind: Kind, namespace: str) -> dict[str, str]:
    """resourceVersion of every object of a kind, read page by page."""
    found: dict[str, str] = {}
    token = ""
    for _ in itertools.count():
        query: Document = {"limit": 1000} | ({"continue": token} if token else {})
        page = api.request("GET", kind.path(namespace), **query)
        found |= {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in page["items"]}
        token = page["metadata"].get("continue", "")
        if not token:
            break
    return found
