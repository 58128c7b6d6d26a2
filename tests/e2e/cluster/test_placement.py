"""GPUs without GPUs: nodes that are there on paper, and the pods of examples/exopd.yaml placed on them, or not yet.

The scheduler is real, the nodes have no kubelet: what is bound to them never runs. The example is applied while no node
has a GPU, so that the status has to say what is waited for.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from tests.cluster.api import PODS, Document
from tests.cluster.node.kubernetes import NODES
from tests.e2e.cluster.clusters import REPOSITORY
from tests.e2e.cluster.faults import AT_ONCE
from tests.e2e.cluster.installation import CLAIM, Installation, give_to_jobs, merged
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(600)
GPU = "nvidia.com/gpu"
FILE = REPOSITORY / "examples" / "exopd.yaml"
CONTEXT = 40960
NODES_ON_PAPER = ("gopd-paper-1", "gopd-paper-2", "gopd-paper-3")
GPUS = 8


def example(name: str) -> Document:
    document: Document = yaml.safe_load(FILE.read_text())
    document["metadata"]["name"] = name
    return document


def provide(installation: Installation, team: str) -> None:
    """What the example names, as far as an inspection looks at it: models of its tokenizer and context, and data."""
    root = installation.cluster.volumes / f"{team}-{CLAIM}"
    for name, model in (("Qwen3-4B", "student"), ("Qwen3-4B-Non-Thinking-RL-Math-Step500", "algebra")):
        target = root / "models" / name
        shutil.copytree(root / "models" / f"tiny-{model}", target, dirs_exist_ok=True)
        _widen(target / "config.json")
    (root / "data" / "deepmath").mkdir(exist_ok=True)
    rows = [{"prompt": f"What is {n} plus {n}?", "domain": "math"} for n in range(1024)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), root / "data" / "deepmath" / "train.parquet")
    for year in ("aime24", "aime25"):
        problem = {"prompt": "What is 1 plus 1?", "answer": "2"}
        (root / "data" / f"{year}.jsonl").write_text(json.dumps(problem) + "\n")
    give_to_jobs(root)


def _widen(config: Path) -> None:
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "max_position_embeddings": CONTEXT}))


def on_paper(name: str) -> Document:
    """A node that says that it is ready and has eight GPUs."""
    there = {"cpu": "64", "memory": "512Gi", "pods": "110", "ephemeral-storage": "500Gi", GPU: str(GPUS)}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": there, "allocatable": there, "conditions": [ready()]},
    }


def ready() -> Document:
    """A sign of life, which counts for forty seconds."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "Ready", "status": "True", "reason": "OnPaper", "lastHeartbeatTime": now}


@pytest.fixture(scope="module")
def waiting(installation: Installation, team: str) -> Iterator[Followed]:
    """The example itself, accepted, on a cluster without GPUs."""
    provide(installation, team)
    followed = apply(installation, team, example("exopd"))
    yield followed
    remove(followed)


@pytest.fixture(scope="module")
def gpus(installation: Installation, waiting: Followed) -> Iterator[None]:
    """Nodes with GPUs, one for each pod of the example that asks for them."""
    assert waiting.pods(part="inspect") != [], "what needs no GPU is over: it could not run on paper"
    for name in NODES_ON_PAPER:
        installation.api.create(NODES, "", on_paper(name))
    yield
    for name in NODES_ON_PAPER:
        installation.api.delete(NODES, "", name)


def cordon(installation: Installation, *, on: bool) -> None:
    """Whether nodes on paper take no pods. They give a sign of life, too."""
    for name in NODES_ON_PAPER:
        installation.api.merge(NODES, "", name, {"spec": {"unschedulable": on}})
        installation.api.merge(NODES, "", name, {"status": {"conditions": [ready()]}}, "status")


def apply(installation: Installation, team: str, document: Document) -> Followed:
    installation.apply(team, document)
    followed = Followed(installation, team, document["metadata"]["name"])
    followed.wait("training pods", lambda: followed.pods(part="train") != [], 120)
    return followed


def remove(followed: Followed) -> None:
    """Delete a job; its pods on paper end as soon as they are told to, as a kubelet would have it."""
    api = followed.installation.api
    followed.installation.access.kubectl(
        "delete", "dj", followed.name, "-n", followed.namespace, "--wait=false", "--ignore-not-found"
    )

    def gone() -> bool:
        left = followed.pods()
        for pod in left:
            if "deletionTimestamp" in pod["metadata"] and pod["spec"].get("nodeName") in NODES_ON_PAPER:
                api.delete(PODS, followed.namespace, pod["metadata"]["name"], **AT_ONCE)
        return not left and not followed.document()

    followed.wait("end of its pods", gone, 120)


def places(followed: Followed, part: str) -> list[str]:
    """Where each pod that asks for GPUs was bound to; empty for one that was not."""
    return [pod["spec"].get("nodeName", "") for pod in followed.pods(part=part) if asks(pod)]


def placed(followed: Followed, part: str, count: int) -> bool:
    """Whether so many pods of a part are bound."""
    found = places(followed, part)
    return len(found) == count and all(found)


def asks(pod: Document) -> int:
    """GPUs that a pod asks for."""
    limits: list[Any] = [one.get("resources", {}).get("limits", {}) for one in pod["spec"]["containers"]]
    return sum(int(limit.get(GPU, 0)) for limit in limits)


def test_a_training_that_cannot_be_placed_says_why(waiting: Followed) -> None:
    def unschedulable() -> bool:
        return waiting.condition("ClusterReady").get("reason") == "Unschedulable"

    waiting.wait("condition ClusterReady with reason Unschedulable", unschedulable, 60)
    told = waiting.condition("ClusterReady")
    assert told["status"] == "False"
    assert f"Insufficient {GPU}" in told["message"]
    described = waiting.installation.access.kubectl("describe", "dj", waiting.name, "-n", waiting.namespace).stdout
    assert f"Insufficient {GPU}" in described


@pytest.mark.usefixtures("gpus")
def test_a_training_is_placed_as_planned_once_there_are_gpus(waiting: Followed) -> None:
    waiting.wait("place for the training", lambda: placed(waiting, "train", 1), 120)
    plan = waiting.status()["plan"]
    assert (plan["gpus"], plan["trainerGpus"], plan["teacherGpus"]) == (8, 4, 4)
    (pod,) = waiting.pods(part="train")
    assert asks(pod) == plan["gpus"]
    # Its start and its teacher are measured meanwhile, on a node each.
    waiting.wait("places for the evaluation", lambda: placed(waiting, "generate", 2), 120)
    assert sorted(places(waiting, "train") + places(waiting, "generate")) == sorted(NODES_ON_PAPER)


@pytest.mark.usefixtures("gpus")
def test_machines_of_one_training_are_spread_over_nodes(installation: Installation, waiting: Followed) -> None:
    """Each asks for all GPUs of a node: no two can share one."""
    document = example("exopd-two-nodes")
    document["spec"] = merged(document["spec"], {"compute": {"nodes": 2}})
    document["spec"]["teachers"][0]["replicas"] = 4
    del document["spec"]["evaluation"]
    remove(waiting)
    cordon(installation, on=True)  # its inspection needs a kubelet
    followed = apply(installation, waiting.namespace, document)
    cordon(installation, on=False)
    followed.wait("places for both machines", lambda: placed(followed, "train", 2), 120)
    assert len(set(places(followed, "train"))) == 2
    assert [asks(pod) for pod in followed.pods(part="train")] == [GPUS, GPUS]
    plan = followed.status()["plan"]
    assert (plan["gpus"], plan["trainerGpus"], plan["teacherGpus"]) == (16, 8, 8)
    remove(followed)
