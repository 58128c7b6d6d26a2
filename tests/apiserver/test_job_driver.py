"""What plays the kubelet for Jobs: the real Job controller sees pods run, end, run out of memory and be disrupted."""

import time

from tests.apiserver.documents import indexed_job
from tests.cluster.api import JOBS, Document
from tests.cluster.control_plane import ControlPlane
from tests.cluster.jobs import Kubelet, ended, index_of
from tests.cluster.kueue import Kueue
from tests.cluster.pods import LAST_WORDS, OUT_OF_MEMORY, Outcome


def last_words(pods: list[Document]) -> list[str]:
    return [pod["status"]["containerStatuses"][0]["state"]["terminated"].get("message", "") for pod in pods]


def test_an_indexed_job_completes_with_the_words_that_the_test_gives(
    control_plane: ControlPlane, namespace: str
) -> None:
    kubelet = Kubelet(control_plane.api, namespace)
    control_plane.api.create(JOBS, namespace, indexed_job("generate", 3))
    job = kubelet.finish("generate", lambda pod: f"report of index {index_of(pod)}")
    assert ended(job) == "Complete"
    assert job["status"]["completedIndexes"] == "0-2"
    assert last_words(kubelet.pods_of("generate", live=False)) == [f"report of index {index}" for index in range(3)]


def test_a_failed_index_is_tried_again_and_then_fails_the_job(control_plane: ControlPlane, namespace: str) -> None:
    kubelet = Kubelet(control_plane.api, namespace)
    control_plane.api.create(JOBS, namespace, indexed_job("grade", 2))
    job = kubelet.finish("grade", lambda pod: Outcome(3, "no") if index_of(pod) == 1 else "yes")
    assert ended(job) == "Failed"
    assert (job["status"]["completedIndexes"], job["status"]["failedIndexes"]) == ("0", "1")


def test_a_pod_out_of_memory_says_so(control_plane: ControlPlane, namespace: str) -> None:
    kubelet = Kubelet(control_plane.api, namespace)
    control_plane.api.create(JOBS, namespace, indexed_job("generate", 1, backoffLimitPerIndex=0))
    assert ended(kubelet.finish("generate", lambda pod: OUT_OF_MEMORY)) == "Failed"
    (pod,) = kubelet.pods_of("generate", live=False)
    state = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_a_disrupted_pod_is_not_counted_where_the_policy_says_so(control_plane: ControlPlane, namespace: str) -> None:
    kubelet = Kubelet(control_plane.api, namespace)
    ignored = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    wanted = indexed_job("generate", 1, backoffLimitPerIndex=0, podFailurePolicy=ignored)
    control_plane.api.create(JOBS, namespace, wanted)
    (pod,) = kubelet.wait_for_pods("generate")
    kubelet.run(pod)
    kubelet.disrupt(pod)
    assert ended(kubelet.finish("generate")) == "Complete"


def test_last_words_are_cut_as_a_kubelet_cuts_them(control_plane: ControlPlane, namespace: str) -> None:
    kubelet = Kubelet(control_plane.api, namespace)
    control_plane.api.create(JOBS, namespace, indexed_job("compare", 1))
    kubelet.finish("compare", lambda pod: "a" * LAST_WORDS + "the end")
    (words,) = last_words(kubelet.pods_of("compare", live=False))
    assert len(words) == LAST_WORDS
    assert words.endswith("athe end")


def test_the_autopilot_ends_every_job_of_a_namespace(control_plane: ControlPlane, namespace: str) -> None:
    kubelet = Kubelet(control_plane.api, namespace)
    with kubelet.autopilot(lambda pod: "done") as autopilot:
        for number in range(5):
            control_plane.api.create(JOBS, namespace, indexed_job(f"job-{number}", 2))
        give_up = time.monotonic() + 60
        while not all(map(ended, control_plane.api.list(JOBS, namespace))) and time.monotonic() < give_up:
            time.sleep(0.1)
    assert [ended(job) for job in control_plane.api.list(JOBS, namespace)] == ["Complete"] * 5
    assert autopilot.failures == []


def test_a_suspended_job_has_no_pods_until_the_queue_lets_it_in(control_plane: ControlPlane, namespace: str) -> None:
    kubelet, kueue = Kubelet(control_plane.api, namespace), Kueue(control_plane.api, namespace)
    control_plane.api.create(JOBS, namespace, indexed_job("generate", 1, suspend=True))
    give_up = time.monotonic() + 20
    while "conditions" not in control_plane.api.get(JOBS, namespace, "generate")["status"]:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert kubelet.pods_of("generate") == []
    kueue.set_job_suspended("generate", value=False)
    assert ended(kubelet.finish("generate")) == "Complete"
