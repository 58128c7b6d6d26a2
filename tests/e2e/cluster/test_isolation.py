"""What pods of a job may do, tried in the cluster: with the training's token, and in a pod like the one that grades."""

import copy
import json
import time
from collections.abc import Callable

import pytest
from tests.cluster.api import CONFIG_MAPS, JOBS, PODS, SECRETS, ApiError, Document, Kind
from tests.e2e.cluster.installation import Installation, short_job
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(2400)
ROLES = Kind("rbac.authorization.k8s.io", "v1", "roles")
PROBE = """
import json, os, pathlib
def refused(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return ""
print(json.dumps({
    "user": os.getuid(),
    "root": refused(lambda: pathlib.Path("/written").write_text("x")),
    "token": pathlib.Path("/var/run/secrets").exists(),
    "named": sorted(name for name in os.environ if "MLFLOW" in name or "TOKEN" in name),
    "capabilities": [line for line in open("/proc/self/status") if line.startswith("CapEff")][0].split()[1],
}))
"""


@pytest.fixture(scope="module")
def measured(installation: Installation, team: str) -> Followed:
    """A job that has been graded once: it is measured before its training begins."""
    document = short_job("isolated")
    tasks = [{"benchmark": "kl-to-teacher", "data": "data/tiny/train.jsonl", "limit": 4}]
    document["spec"]["evaluation"] = {"tasks": tasks, "sampling": {"maxResponseTokens": 8}}
    installation.apply(team, document)
    followed = Followed(installation, team, "isolated")
    followed.wait("grading", lambda: followed.pods(part="grade") != [])
    return followed


def refusal(act: Callable[[], object]) -> int:
    """The status of the API server's refusal, 0 where there was none."""
    try:
        act()
    except ApiError as error:
        return error.status
    return 0


def test_the_trainings_token_patches_its_one_config_map_and_nothing_else(
    installation: Installation, measured: Followed
) -> None:
    followed = measured
    followed.wait("training pod", lambda: followed.pods(part="train") != [])
    (pod,) = followed.pods(part="train")
    account = pod["spec"]["serviceAccountName"]
    mine = installation.access.account_api(followed.namespace, account)
    maps = installation.api.list(CONFIG_MAPS, followed.namespace, labels=f"gopd.io/job={followed.name}")
    other = next(name for one in maps if account != (name := one["metadata"]["name"]))
    empty: Document = {"metadata": {"annotations": {"tests": "tried"}}}
    namespace = followed.namespace
    assert refusal(lambda: mine.merge(CONFIG_MAPS, namespace, account, empty, dryRun="All")) == 0
    tried = {
        "patch another": lambda: mine.merge(CONFIG_MAPS, namespace, other, empty, dryRun="All"),
        "read another": lambda: mine.get(CONFIG_MAPS, namespace, other),
        "list": lambda: mine.list(CONFIG_MAPS, namespace),
        "delete its own": lambda: mine.delete(CONFIG_MAPS, namespace, account, dryRun="All"),
        "secrets": lambda: mine.list(SECRETS, namespace),
        "pods": lambda: mine.list(PODS, namespace),
        "the system's": lambda: mine.list(CONFIG_MAPS, "kube-system"),
        "roles": lambda: mine.list(ROLES, namespace),
    }
    assert {what: refusal(act) for what, act in tried.items()} == dict.fromkeys(tried, 403)


def test_the_pod_that_grades_can_write_nowhere_and_knows_nothing(
    installation: Installation, measured: Followed
) -> None:
    followed = measured
    (job,) = installation.api.list(JOBS, followed.namespace, labels=f"gopd.io/job={followed.name},gopd.io/part=grade")
    spec = copy.deepcopy(job["spec"]["template"]["spec"])
    (container,) = spec["containers"]
    container["command"] = ["python", "-c", PROBE]
    installation.api.create(PODS, followed.namespace, {"metadata": {"name": "probe"}, "spec": spec})
    try:
        told = said(installation, followed.namespace, "probe")
    finally:
        installation.api.delete(PODS, followed.namespace, "probe")
    assert told == {
        "user": 1000,
        "root": "OSError",
        "token": False,
        "named": [],
        "capabilities": "0" * 16,
    }


def said(installation: Installation, namespace: str, pod: str, patience: float = 300) -> Document:
    """What a pod prints, once it has ended well."""
    give_up = time.monotonic() + patience
    while (phase := installation.api.get(PODS, namespace, pod)["status"].get("phase")) != "Succeeded":
        assert phase != "Failed", installation.access.kubectl("logs", pod, "-n", namespace, check=False).stdout
        assert time.monotonic() < give_up, phase
        time.sleep(0.5)
    told: Document = json.loads(installation.access.kubectl("logs", pod, "-n", namespace).stdout)
    return told
