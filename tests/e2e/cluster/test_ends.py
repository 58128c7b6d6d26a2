"""Ends that are not success: too little memory, and an object that is deleted in the middle."""

from pathlib import Path

import pytest
from tests.cluster.api import CONFIG_MAPS, DISTILLATION_JOBS, JOBS, PODS, RAY_CLUSTERS, RAY_JOBS, SERVICE_ACCOUNTS, Kind
from tests.e2e.cluster.installation import CLAIM, Installation, short_job
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(1200)
ROLES = Kind("rbac.authorization.k8s.io", "v1", "roles")
BINDINGS = Kind("rbac.authorization.k8s.io", "v1", "rolebindings")
SERVICES = Kind("", "v1", "services")
CHILDREN = (RAY_JOBS, RAY_CLUSTERS, SERVICES, JOBS, PODS, CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, BINDINGS)
GONE_WITHIN = 60.0
KEPT = {"checkpoints", "exports", "evaluations", "scratch", "progress.json", "report.json"}
"""What a job keeps in its folder on the volume; nothing else of it is kept anywhere but answers in the shared store."""
RESUMABLE = 2
"""Checkpoints that a training can go on from which are kept, as `checkpoints.keep` says by default."""


def test_a_memory_limit_that_is_too_small_says_so_and_what_helps(installation: Installation, team: str) -> None:
    document = short_job("too-little-memory", {"lifecycle": {"maxAttempts": 1}})
    document["spec"]["compute"]["podPatches"] = [{"name": "head", "cpu": "100m", "memory": "1800Mi"}]
    installation.apply(team, document)
    followed = Followed(installation, team, "too-little-memory")
    status = followed.wait_for_end("Failed")
    failed = followed.condition("Failed")
    assert failed["reason"] == "OutOfMemory", followed.story()
    assert "give the pods more memory" in failed["message"]
    assert [attempt["failure"] for attempt in status["attempts"]] == ["memory"]


def test_a_deleted_job_takes_everything_along_within_a_minute(installation: Installation, team: str) -> None:
    volume = installation.cluster.volumes / f"{team}-{CLAIM}"
    before = files(volume)
    tasks = [{"benchmark": "kl-to-teacher", "data": "data/tiny/train.jsonl", "limit": 16}]
    changes = {"evaluation": {"at": ["checkpoints"], "teachers": False, "tasks": tasks}, "optimization": {"steps": 60}}
    installation.apply(team, short_job("deleted", changes))
    followed = Followed(installation, team, "deleted")
    followed.wait("checkpoint 2", lambda: followed.checkpoint() >= 2)
    followed.wait("evaluation", lambda: followed.pods(part="generate") != [])
    run, folder = followed.run(), followed.folder().relative_to(volume)
    there = {kind.plural for kind in CHILDREN if children(installation, team, kind, "deleted")}
    assert there == {kind.plural for kind in CHILDREN}, "what is not there before cannot be seen to go"
    installation.api.delete(DISTILLATION_JOBS, team, "deleted")

    def left() -> list[str]:
        return [f"{kind.plural}/{name}" for kind in CHILDREN for name in children(installation, team, kind, "deleted")]

    followed.wait("end of all children", lambda: left() == [], GONE_WITHIN)
    followed.wait("run KILLED", lambda: run.status() == "KILLED", 60)
    assert (run.tags()["gopd.phase"], run.tags()["gopd.attempts"]) == ("Deleted", "1")
    kept = files(volume) - before
    assert kept
    stray = {path for path in kept if not path.is_relative_to(folder) and path.parts[0] != "evaluations"}
    assert stray == set()
    own = {path.relative_to(folder).parts[0] for path in kept if path.is_relative_to(folder)}
    assert own <= KEPT, own - KEPT
    saved = [path for path in (volume / folder / "checkpoints").iterdir() if path.is_dir()]
    assert len(saved) <= RESUMABLE + 1, "one more than are kept may have been in the making"


def children(installation: Installation, namespace: str, kind: Kind, job: str) -> list[str]:
    """Objects of a kind that were made for a job, whatever they are labelled as."""
    names = [one["metadata"]["name"] for one in installation.api.list(kind, namespace)]
    return [name for name in names if name.startswith(f"{job}-")]


def files(volume: Path) -> set[Path]:
    return {path.relative_to(volume) for path in volume.rglob("*") if path.is_file()}
