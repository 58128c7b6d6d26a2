"""kube-score on everything that the chart installs and everything that a job gets: what it asks for and why not.

What is listed must still be asked for: a reason that nothing needs any more has to go.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.charts.rendering import Manifest, render
from tests.cluster import binaries

from gopd_api.load import load_file
from gopd_api.objects import DistillationJob
from gopd_operator.core.cluster.foreseeing import foreseen
from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.settings import OperatorSettings

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "exopd.yaml"
Finding = tuple[str, str, str]
"""Whose pods, which check, and its words."""

ONE = "one at a time, by design: the volume, or the work, belongs to one process"
PULLED = "tags are versions and may be digests; pulling at each start would need the registry for every start"
CPU = "a limit of processors only makes a busy process slow"
SIZED_BY_JOB = "compute.podPatches sets it; what a job needs depends on its models and data"
ALLOWED: dict[Finding, str] = {
    ("operator", "deployment-replicas", "Deployment few replicas"): ONE,
    ("operator", "deployment-strategy", "Deployment update strategy"): ONE,
    ("operator", "container-image-pull-policy", "ImagePullPolicy is not set to Always"): PULLED,
    ("operator", "container-resources", "CPU limit is not set"): CPU,
    ("mlflow", "deployment-replicas", "Deployment few replicas"): ONE,
    ("mlflow", "deployment-strategy", "Deployment update strategy"): ONE,
    ("mlflow", "container-image-pull-policy", "ImagePullPolicy is not set to Always"): PULLED,
    ("mlflow", "container-resources", "CPU limit is not set"): CPU,
    ("mlflow", "pod-probes-identical", "Container has the same readiness and liveness probe"): (
        "MLflow has one address for both; liveness waits for six failures, readiness for three"
    ),
    ("mlflow", "container-ephemeral-storage-request-and-limit", "Ephemeral Storage limit is not set"): (
        "without a volume (storage.persistent: false) everything recorded counts as such"
    ),
    ("job", "container-image-pull-policy", "ImagePullPolicy is not set to Always"): PULLED,
    ("job", "container-resources", "CPU limit is not set"): CPU,
    ("job", "container-resources", "Memory limit is not set"): SIZED_BY_JOB,
    ("job", "container-ephemeral-storage-request-and-limit", "Ephemeral Storage limit is not set"): (
        "models that are fetched lie there; an eviction would start the same again"
    ),
    ("job", "container-ephemeral-storage-request-and-limit", "Ephemeral Storage request is not set"): SIZED_BY_JOB,
    ("job", "container-security-context-user-group-id", "The container is running with a low user ID"): (
        "1000 is who volumes with models are usually written by"
    ),
    ("job", "container-security-context-user-group-id", "The container running with a low group ID"): (
        "the group that files on the volume belong to"
    ),
    ("job", "pod-networkpolicy", "The pod does not have a matching NetworkPolicy"): (
        "what fetches models or sends to MLflow talks to addresses that no selector names; gradings are shut in"
    ),
    ("train", "networkpolicy-targets-pod", "The NetworkPolicys selector doesn't match any pods"): (
        "KubeRay makes them, from a RayJob, where kube-score does not look"
    ),
}


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return binaries.program("kube-score")
    except binaries.Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no kube-score on this machine: {error}")


def job_objects() -> list[Manifest]:
    job = load_file(EXAMPLE)[0]
    assert isinstance(job, DistillationJob)
    return list(foreseen(Context(job, OperatorSettings()), prompts=4096).objects)


def findings(program: Path, objects: list[Manifest]) -> Iterator[tuple[str, Finding]]:
    """What kube-score asks for: the object's name, and the finding."""
    text = yaml.safe_dump_all(objects, sort_keys=False)
    command = [str(program), "score", "--output-format", "json", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    for scored in json.loads(done.stdout):
        name = scored["object_meta"]["name"]
        whose = name.removeprefix("gopd-") if name.startswith("gopd-") else "job"
        for check in scored["checks"]:
            if not check["skipped"] and check["grade"] < 10:
                for comment in check["comments"] or [{"summary": ""}]:
                    yield name, (whose, check["check"]["id"], comment["summary"])


def test_what_kube_score_asks_for_has_a_reason(program: Path) -> None:
    chart = render({"networkPolicies": {"jobNamespaces": ["default"]}})
    found = list(findings(program, [*chart, *job_objects()]))
    unexplained = {finding for _, finding in found} - set(ALLOWED)
    assert unexplained == set()
    assert set(ALLOWED) - {finding for _, finding in found} == set(), "these need no reason any more"
    assert not [name for name, finding in found if finding[1] == "pod-networkpolicy" and name.endswith("-grade")]


def test_kube_score_sees_a_container_that_may_write_its_root(program: Path) -> None:
    objects = render()
    for one in objects:
        if one["kind"] == "Deployment":
            one["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = False
    checks = {finding[1] for _, finding in findings(program, objects)}
    assert "container-security-context-readonlyrootfilesystem" in checks
