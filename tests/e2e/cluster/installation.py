"""The chart installed as a person does it, and namespaces with a volume that has models on it.

Decides the values of the installation and where volumes lie. Which cluster that is, and what is done with it, others
decide.
"""

import copy
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.access import Access
from tests.cluster.api import NAMESPACES, PODS, Document, Kind
from tests.e2e.cluster.clusters import REPOSITORY, Cluster

SYSTEM, RELEASE, CLAIM = "gopd-system", "gopd", "gopd-models"
OPERATOR = "app.kubernetes.io/component=operator"
MLFLOW = "app.kubernetes.io/component=mlflow"
VOLUMES = Kind("", "v1", "persistentvolumes", namespaced=False)
CLAIMS = Kind("", "v1", "persistentvolumeclaims")
JOB_USER, MLFLOW_USER = 1000, 65532
EXAMPLE = REPOSITORY / "examples" / "cluster-quickstart.yaml"
SMALL_EVALUATION = {
    "at": ["end"],
    "teachers": False,
    "tasks": [{"benchmark": "kl-to-teacher", "data": "data/tiny/train.jsonl", "limit": 4}],
    "sampling": {"maxResponseTokens": 8},
}
"""Of the student only, once it is trained."""


class Installation:
    """gopd on the cluster: the chart in a namespace of its own, and teams that have jobs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.access: Access = cluster.access
        self.api = cluster.access.api

    def install(self, *more: str) -> None:
        """`helm install` with the images of the cluster; the embedded MLflow gets a volume. `more` words go to Helm."""
        self._volume(SYSTEM, f"{RELEASE}-mlflow", "10Gi", "ReadWriteOnce", MLFLOW_USER)
        self.access.helm(
            "upgrade", "--install", RELEASE, REPOSITORY / "charts" / "gopd", "-n", SYSTEM, "--create-namespace",
            "--set", f"imageRegistry={self.cluster.registry}",
            "--set", "settings.images.grading=gopd-grader:0.1.0",
            # Another image under the same tag is another pod.
            "--set", f"podAnnotations.tests/image={self.cluster.operator_image}", *more,
        )  # fmt: skip
        for name in ("operator", "mlflow"):
            self.rolled_out(SYSTEM, f"{RELEASE}-{name}")

    def rolled_out(self, namespace: str, deployment: str) -> None:
        """Wait until a deployment is as it should be."""
        self.access.kubectl("rollout", "status", "-n", namespace, f"deployment/{deployment}", "--timeout=300s")

    def team(self, namespace: str) -> Path:
        """A namespace that demands the restricted standard, with the tiny models on its claim; their folder here."""
        if self.api.find(NAMESPACES, "", namespace) is None:
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            self.api.create(NAMESPACES, "", {"metadata": {"name": namespace, "labels": labels}})
        folder = self._volume(namespace, CLAIM, "100Gi", "ReadWriteMany", JOB_USER)
        if self.api.find(CLAIMS, namespace, CLAIM) is None:
            asked = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "100Gi"}}}
            self.api.create(CLAIMS, namespace, {"metadata": {"name": CLAIM}, "spec": asked})
        shutil.copytree(tiny_inputs(self.cluster.volumes / "inputs"), folder, dirs_exist_ok=True)
        give_to_jobs(folder)
        return folder

    def apply(self, namespace: str, document: Document) -> None:
        """`kubectl apply` of one object; one of that name that an earlier run has left on the cluster goes first."""
        self.remove(namespace, document)
        self.access.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(document))

    def remove(self, namespace: str, document: Document) -> None:
        """Delete an object, if it is there, and wait until it is gone."""
        words = ("delete", document["kind"], document["metadata"]["name"], "-n", namespace, "--ignore-not-found")
        self.access.kubectl(*words)

    def pod(self, namespace: str, labels: str) -> Document:
        """The one pod with these labels that is not going."""
        found = [
            pod for pod in self.api.list(PODS, namespace, labels=labels) if "deletionTimestamp" not in pod["metadata"]
        ]
        assert len(found) == 1, f"{len(found)} pods with {labels} in {namespace}"
        return found[0]

    def _volume(self, namespace: str, claim: str, size: str, mode: str, user: int) -> Path:
        """A folder of this machine as the volume of a claim that is there or will be."""
        folder = self.cluster.volumes / f"{namespace}-{claim}"
        folder.mkdir(exist_ok=True)
        _give(folder, user)
        spec = {
            "capacity": {"storage": size},
            "accessModes": [mode],
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {"namespace": namespace, "name": claim},
            "persistentVolumeReclaimPolicy": "Retain",
        }
        if self.api.find(VOLUMES, "", folder.name) is None:
            self.api.create(VOLUMES, "", {"metadata": {"name": folder.name}, "spec": spec})
        return folder


@functools.cache
def tiny_inputs(folder: Path) -> Path:
    """The models and prompts of the tiny jobs, made once."""
    command = [sys.executable, "-m", "examples.tiny_inputs", "--workdir", str(folder)]
    if not (folder / "data").exists():
        made = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    return folder


def example() -> Document:
    """The first job of the documentation."""
    document: Document = yaml.safe_load(EXAMPLE.read_text())
    return document


def short_job(name: str, changes: Mapping[str, Any] | None = None) -> Document:
    """A training of one teacher without evaluations. `changes` are merged into its spec."""
    document = example()
    document["metadata"]["name"] = name
    spec = document["spec"]
    spec["compute"]["podPatches"][0]["cpu"] = "100m"
    spec["teachers"] = [{"name": "algebra", "model": "models/tiny-algebra"}]
    spec["optimization"]["steps"] = 8
    spec["checkpoints"]["everySteps"] = 2
    spec["lifecycle"] = {"backoff": {"initialSeconds": 1, "maxSeconds": 5}}
    del spec["evaluation"]
    document["spec"] = merged(spec, changes or {})
    return document


def merged(whole: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    """A document with changes; what is no mapping is replaced."""
    found: Document = copy.deepcopy(dict(whole))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else copy.deepcopy(value)
    return found


def give_to_jobs(folder: Path) -> None:
    """Have everything in a folder belong to the pods of jobs."""
    _give(folder, JOB_USER)


def _give(folder: Path, user: int) -> None:
    """To a user of pods; by somebody who is not root: to everybody."""
    for path in (folder, *folder.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, user, user)
        else:
            path.chmod(0o777 if path.is_dir() else 0o666)
