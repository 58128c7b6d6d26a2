"""Ends that are not success: too little memory, and an object that is deleted in the middle."""

import pytest
from tests.cluster.api import CONFIG_MAPS, DISTILLATION_JOBS, JOBS, PODS, RAY_CLUSTERS, RAY_JOBS, SERVICE_ACCOUNTS, Kind
from tests.e2e.cluster.installation import Installation, merged, short_job
from tests.e2e.cluster.observing import Followed
from tests.e2e.cluster.test_user_path import mlflow

pytestmark = pytest.mark.timeout(3600)
ROLES = Kind("rbac.authorization.k8s.io", "v1", "roles")
BINDINGS = Kind("rbac.authorization.k8s.io", "v1", "rolebindings")
CHILDREN = (RAY_JOBS, RAY_CLUSTERS, JOBS, PODS, CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, BINDINGS)
GONE_WITHIN = 60.0


def test_a_memory_limit_that_is_too_small_says_so_and_what_helps(installation: Installation, team: str) -> None:
    document = short_job("too-little-memory", {"lifecycle": {"maxAttempts": 1}})
    document["spec"]["compute"]["podPatches"] = [{"name": "head", "cpu": "1", "memory": "1800Mi"}]
    installation.apply(team, document)
    followed = Followed(installation, team, "too-little-memory")
    status = followed.wait_for_end("Failed")
    failed = followed.condition("Failed")
    assert failed["reason"] == "OutOfMemory", followed.story()
    assert "give the pods more memory" in failed["message"]
    assert [attempt["failure"] for attempt in status["attempts"]] == ["memory"]


def test_a_deleted_job_takes_everything_along_within_a_minute(installation: Installation, team: str) -> None:
    changes = {"evaluation": {"tasks": [{"benchmark": "kl-to-teacher", "data": "data/tiny/train.jsonl", "limit": 16}]}}
    installation.apply(team, merged(short_job("deleted"), {"spec": changes}))
    followed = Followed(installation, team, "deleted")
    followed.wait("checkpoint 2", lambda: followed.checkpoint() >= 2)
    run_id = followed.status()["mlflow"]["runId"]
    installation.api.delete(DISTILLATION_JOBS, team, "deleted")

    def left() -> list[str]:
        return [
            f"{kind.plural}/{one['metadata']['name']}"
            for kind in CHILDREN
            for one in installation.api.list(kind, team, labels="gopd.io/job=deleted")
        ]

    followed.wait("end of all children", lambda: left() == [], GONE_WITHIN)
    followed.wait(
        "run KILLED",
        lambda: mlflow(installation, f"runs/get?run_id={run_id}")["run"]["info"]["status"] == "KILLED",
        120,
    )
