"""Pods that no node takes, that theirs does not start, or that keep it: when that is news, and what status says."""

from dataclasses import replace
from typing import Any, cast

import pytest
from tests.operator.cluster_world import START, World, as_text, tiny_job

from gopd_operator.core.cluster.names import Key
from gopd_operator.core.cluster.seen import JobSeen, PodSeen, pod_seen
from gopd_operator.core.settings import OperatorSettings
from gopd_operator.shell.cluster.cache import Cache
from gopd_operator.shell.cluster.observing import job_pods_tell, with_marks
from gopd_operator.shell.cluster.operating import Operator
from gopd_operator.shell.cluster.resources import DISTILLATION_JOB, POD

JOB = Key("DistillationJob", "team", "exopd")
CLUSTER = "exopd-a1-x"
TASK = {"evaluation": {"tasks": [{"benchmark": "math", "data": "/d.jsonl"}], "at": ["start", "end"]}}


def test_a_pod_that_no_node_takes_is_told_in_the_schedulers_words_until_one_does() -> None:
    world = World(tiny_job())
    world.settle()
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    placing = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    pods = [
        {"metadata": {"name": name, "labels": {"ray.io/node-type": kind}}, "status": {"conditions": [placing]}}
        for name, kind in (("a-worker", "worker"), ("b-head", "head"))
    ]
    world.kuberay("Initializing")
    world.pods[world.rayjob["metadata"]["name"]] = [pod_seen(pod) for pod in pods]
    world.settle()
    ready = world.condition("ClusterReady")
    assert (ready.status, ready.reason) == ("False", "Unschedulable")
    assert ready.message == f"no node takes pod b-head and 1 more: {words}"
    placing["status"] = "True"
    world.pods[world.rayjob["metadata"]["name"]] = [pod_seen(pod) for pod in pods]
    world.settle()
    assert world.condition("ClusterReady").reason == "Provisioning"


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        ({"unplaced": "no GPU is free"}, "Unschedulable", "no node takes pod tiny-pod: no GPU is free"),
        ({"waiting": "ImagePullBackOff"}, "ImagePullFailed", "pod tiny-pod: ImagePullBackOff; correct compute.image"),
        (
            {"waiting": "CreateContainerConfigError", "message": 'secret "hub-login" not found'},
            "ContainerNotCreated",
            'pod tiny-pod: CreateContainerConfigError (secret "hub-login" not found); create what it names',
        ),
        (
            {"unprepared": True, "placed": START - 61},
            "PodNotPrepared",
            "pod tiny-pod: its node does not prepare it: a volume cannot be mounted",
        ),
    ],
)
def test_an_evaluation_whose_pod_does_not_start_says_why_until_it_does(
    pod: dict[str, Any], reason: str, words: str
) -> None:
    world = World(tiny_job(**TASK))
    world.settle()
    (job,) = world.of("Job")
    world.pods[job["metadata"]["name"]] = [PodSeen("tiny-pod", head=False, phase="Pending", **pod)]
    world.settle()
    done = world.condition("EvaluationComplete")
    assert (done.status, done.reason) == ("False", reason)
    assert done.message.startswith(words)
    world.pods[job["metadata"]["name"]] = [PodSeen("tiny-pod", head=False, phase="Running")]
    world.settle()
    assert (world.condition("EvaluationComplete").reason, world.condition("EvaluationComplete").message) == (
        "Measuring",
        "",
    )


def knowing(uid: str) -> Cache:
    """A cache that knows the job."""
    cache = Cache()
    cache.take(DISTILLATION_JOB, job_body(uid))
    return cache


def job_body(uid: str) -> dict[str, Any]:
    meta = {"name": "exopd", "namespace": "team", "uid": uid, "resourceVersion": "1"}
    return {"kind": "DistillationJob", "metadata": meta, "spec": {}}


def unprepared_pod(world: World, version: int, phase: str = "Pending", prepared: str = "False") -> dict[str, Any]:
    """A pod of the first attempt that has a node since now, as the API server shows it."""
    placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": as_text(world.now)}
    labels = {"gopd.io/kind": "DistillationJob", "gopd.io/job": "exopd", "gopd.io/attempt": "1"}
    labels["ray.io/cluster"] = CLUSTER
    meta = {"name": "head", "namespace": "team", "uid": "p1", "resourceVersion": str(version)}
    return {
        "metadata": {**meta, "labels": {**labels, "gopd.io/managed": "true"}},
        "status": {
            "phase": phase,
            "conditions": [placed, {"type": "PodReadyToStartContainers", "status": prepared}],
            "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}],
        },
    }


def test_a_pod_that_its_node_does_not_prepare_is_told_after_a_minute_and_ends_its_attempt_after_the_patience() -> None:
    world = World(tiny_job())
    world.settle()
    world.kuberay("Initializing")
    name = world.rayjob["metadata"]["name"]
    world.pods[name] = [pod_seen(unprepared_pod(world, 1))]
    world.settle()
    decision = world.decide()
    assert decision.again_at is not None and decision.again_at <= world.now + 60, "nothing else brings the job back"
    world.now += 60
    world.settle()
    assert world.condition("ClusterReady").reason == "Provisioning", "every pod is prepared for some seconds"
    world.now += 1
    world.settle()
    assert world.condition("ClusterReady").reason == "PodNotPrepared"
    assert "`kubectl describe pod head`" in world.condition("ClusterReady").message
    world.now += 240
    world.act()
    assert world.attempts[0].reason == "PodNotPrepared"


def test_an_image_that_is_pulled_for_long_is_no_fault() -> None:
    world = World(tiny_job())
    world.settle()
    world.kuberay("Initializing")
    world.pods[world.rayjob["metadata"]["name"]] = [pod_seen(unprepared_pod(world, 1, prepared="True"))]
    world.now += 3000
    world.settle()
    assert (world.condition("ClusterReady").reason, len(world.attempts)) == ("Provisioning", 1)


def test_patience_with_a_pod_begins_when_it_has_a_node() -> None:
    world = World(tiny_job())
    world.settle()
    world.kuberay("Initializing")
    world.now += 5000
    world.pod(world.rayjob["metadata"]["name"], phase="Pending", waiting="ErrImagePull", placed=world.now - 200)
    world.settle()
    assert world.attempts[0].ended is None
    world.now += 101
    world.act()
    assert world.attempts[0].reason == "ImagePullFailed"


def test_a_job_whose_pods_start_is_looked_at_again_until_they_run() -> None:
    world = World(tiny_job(**TASK))
    world.settle()
    (job,) = world.of("Job")
    world.kuberay("Suspended")
    job["status"] = {"active": 1, "ready": 0}
    assert world.decide().again_at == world.now + 60
    job["status"] = {"active": 1, "ready": 1}
    assert world.decide().again_at is None


def test_that_a_node_prepares_a_pod_is_no_news_and_its_pods_are_listed() -> None:
    world, cache = World(tiny_job()), knowing("u1")
    assert cache.take(POD, unprepared_pod(world, 1)) == [] and cache.pods_wait(JOB, CLUSTER)
    assert cache.take(POD, unprepared_pod(world, 2, "Running", "True")) == [] and not cache.pods_wait(JOB, CLUSTER)


def test_a_pod_that_no_node_takes_is_news_once_for_each_word_and_when_it_has_a_node() -> None:
    cache = knowing("u1")

    def pod(version: int, words: str) -> list[Key]:
        labels = {"gopd.io/kind": "DistillationJob", "gopd.io/job": "exopd", "gopd.io/attempt": "1"}
        labels |= {"gopd.io/managed": "true", "ray.io/cluster": CLUSTER}
        placing = {"type": "PodScheduled", "status": "False" if words else "True", "message": words}
        meta = {"name": "head", "namespace": "team", "uid": "p1", "resourceVersion": str(version), "labels": labels}
        return cache.take(POD, {"kind": "Pod", "metadata": meta, "status": {"conditions": [placing]}})

    assert pod(1, "no GPU") == [JOB] and cache.pods_wait(JOB, CLUSTER)
    assert pod(2, "no GPU") == []
    assert pod(3, "no memory") == [JOB]
    assert pod(4, "") == [JOB] and not cache.pods_wait(JOB, CLUSTER)
    assert pod(5, "") == []


@pytest.mark.parametrize(
    ("state", "wait", "expected"), [("active", False, False), ("active", True, True), ("failed", False, True)]
)
def test_pods_of_an_evaluation_are_listed_when_one_waits_or_its_job_is_over(
    state: Any, wait: bool, expected: bool
) -> None:
    job = JobSeen("tiny-evaluate-start-grade", "u", "start", "grade", state)
    assert job_pods_tell(job, set(), inspected=True, wait=wait) == expected
    assert not job_pods_tell(replace(job, state="failed"), {job.name}, inspected=True, wait=wait)


def test_an_evaluation_whose_pods_had_their_nodes_for_too_long_names_the_setting() -> None:
    world = World(tiny_job())
    world.settle()
    world.job_ends("tiny-start-gen", good=False)
    late = {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than ..."}
    world.pods["tiny-start-gen"] = [pod_seen({"metadata": {"name": "p"}, "status": late})]
    world.settle()
    done = world.condition("EvaluationComplete")
    assert (done.status, done.reason) == ("False", "DeadlineExceeded")
    assert "settings.patience.evaluationSeconds" in done.message


def preempted_pod(version: int = 1, attempt: str = "1") -> dict[str, Any]:
    """A pod of the first attempt that its node has to give up."""
    mine = {
        "gopd.io/kind": "DistillationJob",
        "gopd.io/job": "exopd",
        "gopd.io/attempt": attempt,
        "ray.io/cluster": CLUSTER,
    }
    meta = {"name": "head", "namespace": "team", "uid": "p1", "resourceVersion": str(version)}
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    return {
        "kind": "Pod",
        "metadata": {**meta, "labels": {**mine, "gopd.io/managed": "true"}},
        "status": {"phase": "Running", "conditions": [disrupted]},
    }


def test_what_a_pod_suffered_is_known_until_its_rayjob_is_gone() -> None:
    cache = knowing("u1")
    assert cache.take(POD, preempted_pod()) == [JOB]
    cache.drop(POD, preempted_pod(2))
    assert [pod.name for pod in cache.marks_of(JOB, CLUSTER)] == ["head"]
    assert cache.marks_of(JOB, "exopd-a1-y") == []


def test_a_job_of_the_same_name_inherits_nothing() -> None:
    cache = knowing("u1")
    cache.take(POD, preempted_pod())
    cache.drop(DISTILLATION_JOB, job_body("u1"))
    assert JOB not in cache.children
    cache.take(DISTILLATION_JOB, job_body("u2"))
    assert cache.marks_of(JOB, CLUSTER) == []
    missed = knowing("u1")  # its deletion was missed, and the next of its name is known at once
    missed.take(POD, preempted_pod())
    missed.take(DISTILLATION_JOB, job_body("u2"))
    assert missed.marks_of(JOB, CLUSTER) == []


def test_a_pod_that_is_there_does_not_hide_one_that_suffered_nor_the_other_way_round() -> None:
    lost, new = PodSeen("one", head=True, phase="Running", disrupted=True), PodSeen("two", head=True, phase="Pending")
    again = replace(lost, disrupted=False)
    assert with_marks([again, new], [lost]) == [new, lost]


@pytest.mark.parametrize("attempt", ["a", "", "-1", "1.5"])
def test_a_pod_whose_attempt_is_no_number_is_a_strangers(attempt: str) -> None:
    cache = knowing("u1")
    assert cache.take(POD, preempted_pod(attempt=attempt)) == []
    assert cache.marks_of(JOB, CLUSTER) == []


def test_an_object_that_nobody_foresaw_is_left_out_and_the_work_goes_on() -> None:
    operator = Operator(OperatorSettings(storage_claim="gopd"), cast(Any, None))
    assert operator.news(DISTILLATION_JOB, None, job_body("u1"))
    broken = preempted_pod()
    broken["status"] = {"conditions": "none"}
    assert not operator.news(POD, "MODIFIED", broken)
    assert not operator.news(POD, "MODIFIED", {})
    assert operator.news(POD, "MODIFIED", preempted_pod(2))
    assert [pod.name for pod in operator.cache.marks_of(JOB, CLUSTER)] == ["head"]


def test_a_job_that_mlflow_cannot_be_told_of_is_known_all_the_same() -> None:
    operator = Operator(OperatorSettings(storage_claim="gopd"), cast(Any, None))

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("a time that is none")

    operator.mirror.news = refuse  # type: ignore[method-assign]
    assert operator.news(DISTILLATION_JOB, "ADDED", job_body("u1"))
    assert JOB in operator.cache.jobs
    operator.news(DISTILLATION_JOB, "DELETED", job_body("u1"))
    assert JOB not in operator.cache.jobs
