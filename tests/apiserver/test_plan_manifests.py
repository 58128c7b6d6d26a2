"""`gopd plan -o manifests`: a real API server takes every object, and every pod keeps the restricted security standard.

The Job controller is real and makes the pods of Jobs. Those of a RayJob are made by the real KubeRay operator in one
test, and sent as bare pods in the others.
"""

import copy
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.apiserver.stage import EXAMPLES
from tests.cluster.api import CONFIG_MAPS, JOBS, NAMESPACES, PODS, RAY_JOBS, SERVICE_ACCOUNTS, ApiError, Document
from tests.cluster.control_plane import ControlPlane
from tests.cluster.jobs import JOB_LABEL
from tests.cluster.ray_operator import RayOperator

pytestmark = pytest.mark.timeout(300)
GOPD = Path(sys.executable).with_name("gopd")
SETTINGS = {"storageClaim": "models", "trackingUri": "http://mlflow:5000", "trackingSecret": "mlflow"}


def accelerator(path: Path) -> str:
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
    return str(spec.get("compute", {}).get("accelerator", "gpu"))


GPU_EXAMPLES = [path.stem for path in sorted(EXAMPLES.glob("*.yaml")) if accelerator(path) == "gpu"]


@pytest.fixture
def restricted(control_plane: ControlPlane, namespace: str) -> str:
    """A namespace that refuses every pod outside of the restricted standard."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    control_plane.api.merge(NAMESPACES, "", namespace, {"metadata": {"labels": label}})
    return namespace


def gopd_plan(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(GOPD), "plan", "-o", "manifests", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def planned(folder: Path, namespace: str, example: str, **spec: Any) -> str:
    """What `gopd plan -o manifests` prints for an example in a namespace, with parts of its spec replaced."""
    body = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text(encoding="utf-8"))
    body["metadata"]["namespace"] = namespace
    body["spec"] |= spec
    (folder / "job.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
    (folder / "settings.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    ended = gopd_plan(folder, "job.yaml", "--settings", "settings.yaml")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def of_kind(text: str, kind: str) -> list[Document]:
    return [one for one in yaml.safe_load_all(text) if one["kind"] == kind]


def ownerless(document: Document) -> Document:
    """The object as it can really be created: an owner that does not exist would have it collected at once."""
    made = copy.deepcopy(document)
    del made["metadata"]["ownerReferences"]
    return made


def ray_templates(rayjob: Document) -> Iterator[Document]:
    cluster = rayjob["spec"]["rayClusterSpec"]
    yield cluster["headGroupSpec"]["template"]
    for group in cluster["workerGroupSpecs"]:
        yield group["template"]


def as_pod(template: Document, name: str) -> Document:
    """A pod of a template, as KubeRay would make it: it adds the command."""
    made = copy.deepcopy(template)
    made["metadata"]["name"] = name
    return {"apiVersion": "v1", "kind": "Pod", **made}


def make_accounts(control_plane: ControlPlane, text: str) -> None:
    """A pod is refused where its service account is missing."""
    for one in of_kind(text, "ServiceAccount"):
        control_plane.api.create(SERVICE_ACCOUNTS, one["metadata"]["namespace"], ownerless(one))


@pytest.mark.parametrize("example", GPU_EXAMPLES)
def test_the_api_server_takes_every_object_of_a_gpu_example(
    control_plane: ControlPlane, restricted: str, tmp_path: Path, example: str
) -> None:
    text = planned(tmp_path, restricted, example)
    objects = [one for one in yaml.safe_load_all(text) if one]
    answer = control_plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)
    assert answer.stdout.count("created (server dry run)") == len(objects)
    # PodSecurity warns of Jobs whose pods it would refuse; KubeRay's kinds it does not know.
    assert "Warning" not in answer.stderr, answer.stderr
    make_accounts(control_plane, text)
    for number, template in enumerate(t for one in of_kind(text, "RayJob") for t in ray_templates(one)):
        pod = yaml.safe_dump(as_pod(template, f"ray-{number}"))
        control_plane.kubectl("create", "-n", restricted, "--dry-run=server", "-f", "-", stdin=pod)


def test_an_object_that_is_wrong_is_refused(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """The proof that the dry run looks: a field that KubeRay's schema has with another type."""
    text = planned(tmp_path, namespace, "exopd").replace("backoffLimit: 0", "backoffLimit: none")
    answer = control_plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text, check=False)
    assert answer.returncode
    assert "backoffLimit" in answer.stderr


def test_a_pod_that_may_more_is_refused(control_plane: ControlPlane, restricted: str, tmp_path: Path) -> None:
    """The proof that the namespace is strict."""
    text = planned(tmp_path, restricted, "exopd")
    make_accounts(control_plane, text)
    pod = as_pod(next(ray_templates(of_kind(text, "RayJob")[0])), "ray")
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(ApiError, match="violates PodSecurity"):
        control_plane.api.create(PODS, restricted, pod)


def test_the_job_controller_makes_a_pod_of_every_job(
    control_plane: ControlPlane, restricted: str, tmp_path: Path
) -> None:
    text = planned(tmp_path, restricted, "exopd")
    jobs = of_kind(text, "Job")
    for one in [*of_kind(text, "ConfigMap"), *jobs]:
        control_plane.api.create(CONFIG_MAPS if one["kind"] == "ConfigMap" else JOBS, restricted, ownerless(one))
    wanted = {one["metadata"]["name"]: one["spec"]["parallelism"] for one in jobs}
    assert {name.rpartition("-")[2] for name in wanted} == {"inspect", "gen", "grade", "cmp"}

    def made() -> dict[str, int]:
        found = control_plane.api.list(PODS, restricted)
        names = [pod["metadata"]["labels"][JOB_LABEL] for pod in found]
        return {name: names.count(name) for name in wanted}

    give_up = time.monotonic() + 60
    while made() != wanted:
        assert time.monotonic() < give_up, f"{made()} of {wanted}: {control_plane.kubectl('events', '-n', restricted)}"
        time.sleep(0.2)


def test_kuberay_makes_the_pods_of_two_nodes(control_plane: ControlPlane, restricted: str, tmp_path: Path) -> None:
    """The real KubeRay adds containers and settings of its own, and its pods are let in all the same."""
    text = planned(tmp_path, restricted, "two-teachers", compute={"nodes": 2, "gpusPerNode": 4})
    make_accounts(control_plane, text)
    rayjob = ownerless(of_kind(text, "RayJob")[0])
    with RayOperator(control_plane, restricted):
        control_plane.api.create(RAY_JOBS, restricted, rayjob)
        give_up = time.monotonic() + 60
        while len(found := control_plane.api.list(PODS, restricted, labels="ray.io/cluster")) < 2:
            assert time.monotonic() < give_up, control_plane.kubectl("events", "-n", restricted).stdout
            time.sleep(0.2)
        assert {pod["metadata"]["labels"]["ray.io/node-type"] for pod in found} == {"head", "worker"}
        control_plane.api.delete(RAY_JOBS, restricted, rayjob["metadata"]["name"])
        give_up = time.monotonic() + 60
        while control_plane.api.find(RAY_JOBS, restricted, rayjob["metadata"]["name"]):
            assert time.monotonic() < give_up
            time.sleep(0.2)


def test_a_sweep_is_its_children_and_their_comparison(
    control_plane: ControlPlane, restricted: str, tmp_path: Path
) -> None:
    sweep = {"rewardScale": [1.0, 1.25], "seed": [1, 2]}
    text = planned(tmp_path, restricted, "exopd", sweep=sweep)
    children = [one["metadata"]["name"] for one in of_kind(text, "DistillationJob")]
    assert children == [f"exopd-s{scale}-seed{seed}" for scale in ("1", "1p25") for seed in (1, 2)]
    assert [one["metadata"]["name"] for one in of_kind(text, "EvalJob")] == ["exopd"]
    assert of_kind(text, "RayJob") == []
    control_plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)


def test_students_of_other_jobs_leave_an_evaljob_undecided_and_say_so(tmp_path: Path) -> None:
    text = planned(tmp_path, "default", "evaljob")
    assert [one["metadata"]["name"] for one in of_kind(text, "Job")] == ["opd-or-exopd-ej-inspect"]
    assert "# EvalJob opd-or-exopd: evaluate is undecided: the checkpoints of opd, exopd are not known yet" in text


def test_a_deadline_and_a_queue_reach_the_objects(tmp_path: Path) -> None:
    more = {"scheduling": {"queue": "gpu"}, "lifecycle": {"activeDeadlineSeconds": 3600}}
    text = planned(tmp_path, "default", "tiny-gpu", **more)
    rayjob = of_kind(text, "RayJob")[0]
    assert rayjob["spec"]["suspend"] is True
    assert rayjob["spec"]["activeDeadlineSeconds"] == 3660
    assert rayjob["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"


def test_without_a_claim_there_is_nothing_to_show(tmp_path: Path) -> None:
    ended = gopd_plan(tmp_path, str(EXAMPLES / "tiny-gpu.yaml"))
    assert ended.returncode == 1
    assert "storage.claim: is missing" in ended.stderr
    assert "Traceback" not in ended.stderr
