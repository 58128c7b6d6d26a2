"""Many jobs in the state of one: copies of a job, of its status and of the objects that it waits for.

A copy is what the API server would hold of a job of another name that went the same way. It decides nothing about the
states: a test brings one job there with an operator, ends the operator, and copies.
"""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.apiserver.stage import Stage
from tests.cluster.api import CONFIG_MAPS, DISTILLATION_JOBS, JOBS, RAY_JOBS, Document, Kind

THREADS = 12
KEPT = ("name", "namespace", "labels", "annotations", "ownerReferences")


def copy_jobs(stage: Stage, names: list[str], count: int) -> list[tuple[str, str]]:
    """Make `count` copies of each job; pairs of the original's and the copy's name."""
    originals = {name: (stage.job(name), _children(stage, name)) for name in names}
    pairs = [(name, f"{name}-c{number:04d}") for number in range(count) for name in names]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda pair: _copy(stage, *originals[pair[0]], *pair), pairs))
    return pairs


def _children(stage: Stage, name: str) -> list[tuple[Kind, Document]]:
    """RayJobs, the progress, and Jobs that a queue holds."""

    def wanted(kind: Kind, one: Document) -> bool:
        if kind == CONFIG_MAPS:
            return bool(one["metadata"]["labels"].get("gopd.io/part") == "progress")
        return kind == RAY_JOBS or bool(one["spec"].get("suspend"))

    return [
        (kind, one)
        for kind in (RAY_JOBS, CONFIG_MAPS, JOBS)
        for one in stage.api.list(kind, stage.namespace, labels=f"gopd.io/job={name}")
        if wanted(kind, one)
    ]


def _copy(stage: Stage, job: Document, children: list[tuple[Kind, Document]], name: str, copy: str) -> None:
    new = {name: copy}
    made = stage.api.create(DISTILLATION_JOBS, stage.namespace, _renamed(job, new))
    new[job["metadata"]["uid"]] = made["metadata"]["uid"]
    for kind, child in children:
        body = _renamed(child, new)
        if kind == CONFIG_MAPS:
            body["metadata"]["name"] = f"{copy}-progress"
        if kind == JOBS:
            # The Job controller's own marks: it makes new ones.
            del body["spec"]["selector"], body["spec"]["template"]["metadata"]["labels"]
        created = stage.api.create(kind, stage.namespace, body)
        new[child["metadata"]["uid"]] = created["metadata"]["uid"]
        if kind == RAY_JOBS and "status" in body:
            stage.api.merge(kind, stage.namespace, body["metadata"]["name"], {"status": body["status"]}, "status")
    status = _renamed(job, new)["status"]
    stage.api.merge(DISTILLATION_JOBS, stage.namespace, copy, {"status": status}, "status")


def _renamed(body: Document, new: dict[str, str]) -> Document:
    """The body with other names and uids in every text, and no mark of the API server's."""
    kept = {**body, "metadata": {key: value for key, value in body["metadata"].items() if key in KEPT}}
    text = json.dumps(kept)
    for old, now in new.items():
        text = text.replace(old, now)
    found: Document = json.loads(text)
    return found
