"""What `gopd plan -o manifests` foresees is what the operator makes: compared with a life on a cluster in memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.cluster_world import EXAMPLES, World, tiny_job

from gopd_api.inspection import Inspection
from gopd_api.load import load_file
from gopd_api.objects import EvalJob
from gopd_operator.core.cluster.foreseeing import foreseen
from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.settings import OperatorSettings

GOPD = Path(sys.executable).with_name("gopd")
MADE_ELSEWHERE = ("uid", "creationTimestamp", "deletionTimestamp")
EVERYTHING = {
    "evaluation": {"at": ["start", "checkpoints", "end"], "tasks": [{"benchmark": "kl-to-teacher", "data": "d.jsonl"}]},
    "checkpoints": {"everySteps": 5},
}


def as_made(body: dict[str, Any]) -> dict[str, Any]:
    """An object as it was sent: without what the API server and others wrote into it."""
    meta = {key: value for key, value in body["metadata"].items() if key not in MADE_ELSEWHERE}
    return {key: value for key, value in body.items() if key not in ("status", "metadata")} | {"metadata": meta}


def by_name(objects: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): as_made(one) for one in objects}


def test_a_whole_life_makes_what_was_foreseen_and_nothing_else() -> None:
    world = World(tiny_job(**EVERYTHING), OperatorSettings(inspect=True, tracking_uri="http://mlflow:5000"))
    world.settle()
    world.inspection_says("tiny-inspect", Inspection(prompts=64))
    world.start()
    world.succeed()
    assert world.phase() == "Succeeded"
    found = foreseen(Context(world.job, world.settings), prompts=64)
    assert by_name(found.objects) == by_name(world.objects.values())
    assert len(found.objects) > 12
    assert found.notes == ()


def test_of_epochs_over_data_that_was_not_counted_the_end_is_undecided() -> None:
    spec = EVERYTHING | {"optimization": {"batchSize": 2, "epochs": 1, "learningRate": 1e-4}}
    context = Context(tiny_job(**spec), OperatorSettings(inspect=False))
    assert any("evaluate-end is undecided" in note for note in foreseen(context).notes)
    assert foreseen(context, prompts=64).notes == ()


def test_an_evaljob_of_models_is_decided_whole() -> None:
    job = load_file(EXAMPLES / "evaljob.yaml")[0]
    assert isinstance(job, EvalJob)
    models = [one for one in job.spec.subjects if one.model]
    spec = job.spec.model_copy(update={"subjects": models, "baseline": models[0].name})
    found = foreseen(Context(job.model_copy(update={"spec": spec}), OperatorSettings()))
    names = [one["metadata"]["name"] for one in found.objects if one["kind"] == "Job"]
    assert names == [f"opd-or-exopd-ej-{name}" for name in ("inspect", "evaluate-gen", "evaluate-grade", "compare-cmp")]


def pods(objects: Any) -> list[dict[str, Any]]:
    """The spec of every pod that a job gets."""
    specs = []
    for one in objects:
        if one["kind"] == "RayJob":
            cluster = one["spec"]["rayClusterSpec"]
            specs += [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
        elif one["kind"] == "Job":
            specs.append(one["spec"]["template"]["spec"])
    return specs


def containers(objects: Any) -> dict[str, dict[str, Any]]:
    """Every container that a job gets, by name."""
    return {
        held["name"]: held for spec in pods(objects) for held in [*spec["containers"], *spec.get("initContainers", [])]
    }


def test_every_container_has_a_read_only_root_and_room_below_its_home() -> None:
    spec = EVERYTHING | {"compute": {"accelerator": "gpu", "nodes": 2, "gpusPerNode": 4}}
    found = containers(foreseen(Context(tiny_job(**spec), OperatorSettings()), prompts=64).objects)
    assert set(found) == {"ray", "inspect", "generate", "grade", "gather", "compare"}
    for held in found.values():
        security = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert held["securityContext"] == security
        assert {"name": "HOME", "value": "/tmp"} in held["env"]
        assert {"name": "scratch", "mountPath": "/tmp"} in held["volumeMounts"]


@pytest.mark.parametrize("queue", [None, "gpu"])
def test_what_schedulers_read_of_a_job_is_on_everything_that_books_machines(queue: str | None) -> None:
    job = tiny_job(**EVERYTHING, scheduling={"queue": queue} if queue else {})
    marks = {
        "labels": {"kai.scheduler/queue": "research", "mine": "x"},
        "annotations": {"scheduling.k8s.io/group-name": "gang", "mine": "y"},
    }
    job = job.model_copy(update={"metadata": job.metadata.model_copy(update=marks)})
    found = foreseen(Context(job, OperatorSettings()), prompts=64).objects
    booking = [one for one in found if one["kind"] in ("RayJob", "Job") and "inspect" not in one["metadata"]["name"]]
    assert len(booking) > 4
    for one in booking:
        meta = one["metadata"]
        assert (meta["labels"]["kai.scheduler/queue"], meta["annotations"]["scheduling.k8s.io/group-name"]) == (
            "research",
            "gang",
        )
        assert "mine" not in meta["labels"] | meta["annotations"]
        assert meta["labels"].get("kueue.x-k8s.io/queue-name") == queue
        assert one["spec"]["suspend"] == (queue is not None)
        assert one["kind"] == "RayJob" or meta["annotations"]["gopd.io/digest"].startswith("sha256:")


def test_no_pod_walks_through_a_volume_that_is_right_and_none_fills_its_node_by_shared_memory() -> None:
    patch = {"name": "trainer", "memory": "96Gi"}
    spec = EVERYTHING | {"compute": {"accelerator": "gpu", "nodes": 2, "gpusPerNode": 4, "podPatches": [patch]}}
    made = foreseen(Context(tiny_job(**spec), OperatorSettings()), prompts=64).objects
    found = pods(made)
    assert {pod["securityContext"]["fsGroupChangePolicy"] for pod in found} == {"OnRootMismatch"}
    shared = [volume["emptyDir"] for pod in found for volume in pod["volumes"] if volume["name"] == "shm"]
    assert shared == [{"medium": "Memory", "sizeLimit": "64Gi"}, {"medium": "Memory", "sizeLimit": "96Gi"}]


def test_no_pod_that_measures_holds_its_node_for_longer_than_the_installation_allows() -> None:
    settings = OperatorSettings.model_validate({"patience": {"evaluationSeconds": 7200}})
    made = foreseen(Context(tiny_job(**EVERYTHING), settings), prompts=64).objects
    measuring = pods(one for one in made if one["kind"] == "Job")
    assert len(measuring) > 5
    assert {pod["activeDeadlineSeconds"] for pod in measuring} == {7200}


def test_every_pod_that_draws_is_told_how_long_it_may_be_silent() -> None:
    settings = OperatorSettings.model_validate({"patience": {"drawingSeconds": 77}})
    made = foreseen(Context(tiny_job(**EVERYTHING), settings), prompts=64).objects
    held = [one for pod in pods(made) for one in [*pod["containers"], *pod.get("initContainers", [])]]
    commands = [one["command"] + one.get("args", []) for one in held if "gopd_eval" in one.get("command", [])]
    drawing = [command for command in commands if "generate" in command]
    assert {one["name"] for one in held if one.get("command") in drawing} == {"generate", "gather"}
    assert all(command[command.index("--stall-after") + 1] == "77" for command in drawing)
    assert not [command for command in commands if command not in drawing and "--stall-after" in command]


def test_every_pod_asks_for_something_and_a_patch_goes_first() -> None:
    patches = [{"name": "head", "memory": "96Gi"}, {"name": "evaluation", "cpu": "3"}]
    compute = {"accelerator": "gpu", "nodes": 2, "gpusPerNode": 4}
    asked, settings = {}, OperatorSettings.model_validate({"requests": {"trainer": {"cpu": "7"}}})
    for number, given in enumerate(([], patches)):
        job = tiny_job(**EVERYTHING | {"compute": compute | {"podPatches": given}})
        made = pods(foreseen(Context(job, settings), prompts=64).objects)
        held = [one for pod in made for one in [*pod["containers"], *pod.get("initContainers", [])]]
        asked[number] = {one["name"]: one["resources"] for one in held if one["name"] != "ray"}
        asked[number] |= dict(
            zip(("head", "trainer"), (one["resources"] for one in held if one["name"] == "ray"), strict=True)
        )
    before, after = asked[0], asked[1]
    assert before["head"] == {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {"nvidia.com/gpu": "4"}}
    assert after["head"] == {
        "requests": {"cpu": "2", "memory": "96Gi"},
        "limits": {"nvidia.com/gpu": "4", "memory": "96Gi"},
    }
    assert before["trainer"]["requests"] == {"cpu": "7"}
    assert before["generate"]["requests"] == before["compare"]["requests"] == {"cpu": "1", "memory": "4Gi"}
    assert (before["grade"], after["grade"]["requests"]["cpu"]) == ({"requests": {"cpu": "500m", "memory": "1Gi"}}, "3")
    assert before["inspect"] == after["inspect"] == {"requests": {"cpu": "100m", "memory": "256Mi"}}
    assert {"limits" in one for name, one in before.items() if name not in ("head", "trainer", "generate")} == {False}


def test_the_pod_that_looks_at_inputs_may_be_sent_to_nodes_with_taints_and_pods_may_have_a_priority() -> None:
    taint = {"key": "team", "operator": "Exists"}
    patch = {"name": "inspection", "nodeSelector": {"pool": "cpu"}, "tolerations": [taint], "priorityClassName": "low"}
    job = tiny_job(compute={"accelerator": "cpu", "podPatches": [patch]})
    found = {one["metadata"]["name"]: one for one in foreseen(Context(job, OperatorSettings()), prompts=64).objects}
    pod = found["tiny-inspect"]["spec"]["template"]["spec"]
    assert (pod["nodeSelector"], pod["tolerations"], pod["priorityClassName"]) == ({"pool": "cpu"}, [taint], "low")


def test_only_the_pod_that_runs_generated_programs_has_a_limit_on_what_it_writes() -> None:
    made = foreseen(Context(tiny_job(**EVERYTHING), OperatorSettings()), prompts=64).objects
    pods = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in made if one["kind"] == "Job"}
    scratch = {name: volume for name, pod in pods.items() for volume in pod["volumes"] if volume["name"] == "scratch"}
    limited = {name for name, volume in scratch.items() if volume["emptyDir"].get("sizeLimit")}
    assert limited and limited == {name for name in pods if name.endswith("-grade")}


def test_an_ended_training_gives_its_machines_back_within_a_minute() -> None:
    made = foreseen(Context(tiny_job(**EVERYTHING), OperatorSettings()), prompts=64).objects
    (rayjob,) = [one for one in made if one["kind"] == "RayJob"]
    assert rayjob["spec"]["shutdownAfterJobFinishes"] is True
    assert rayjob["spec"]["ttlSecondsAfterFinished"] <= 60


def test_grading_may_have_an_image_of_its_own() -> None:
    images = {"trainer": "t", "evaluation": "e", "operator": "o"}
    for more, grading in (({}, "e"), ({"grading": "g"}, "g")):
        settings = OperatorSettings.model_validate({"images": {**images, **more}})
        found = containers(foreseen(Context(tiny_job(**EVERYTHING), settings), prompts=64).objects)
        expected = {"ray": "t", "inspect": "o", "generate": "e", "grade": grading, "gather": "e", "compare": "e"}
        assert {name: held["image"] for name, held in found.items()} == expected


def plan(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(GOPD), "plan", "-o", "manifests", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "says"), [("storageClaims: x", "storageClaims"), ("{", "is not YAML"), (None, "cannot be read")]
)
def test_wrong_settings_end_with_one_sentence(tmp_path: Path, text: str | None, says: str) -> None:
    settings = tmp_path / "settings.yaml"
    if text is not None:
        settings.write_text(text, encoding="utf-8")
    ended = plan(EXAMPLES / "exopd.yaml", "--settings", settings)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_job_that_cannot_fit_says_so_in_a_comment(tmp_path: Path) -> None:
    body = yaml.safe_load((EXAMPLES / "exopd.yaml").read_text(encoding="utf-8"))
    body["spec"]["compute"] = {**body["spec"].get("compute", {}), "gpuMemoryGiB": 8}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
    ended = plan(tmp_path / "job.yaml", "--workdir", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("# DistillationJob exopd: would be refused after its inspection: ")
    assert list(yaml.safe_load_all(ended.stdout))
