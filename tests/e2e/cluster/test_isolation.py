"""Jobs of two teams at the same time: what each sees, what its pods may do, and what code of a model can do in them.

Everything is tried: with the trainings' own tokens, in a pod like the one that grades, and by a program that stands
where a model's answer stood.
"""

import copy
import json
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from tests.cluster.api import CONFIG_MAPS, EVAL_JOBS, JOBS, PODS, SECRETS, Api, ApiError, Document, Kind
from tests.e2e.cluster.attempts import PROGRAM, TRIED, VERDICTS, evaluation, replace_answers, verdicts, write_problem
from tests.e2e.cluster.installation import CLAIM, SMALL_EVALUATION, Installation, short_job
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(1200)
ROLES = Kind("rbac.authorization.k8s.io", "v1", "roles")
STEPS = {"team-a": 8, "team-b": 6}
"""Trainings of the same name, which differ in how long they are."""
NAME, LOGIN = "isolated", "mlflow-login"
PROBE = f"""{PROGRAM}
import json, os, pathlib
def refused(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return ""
print(json.dumps({{
    "user": os.getuid(),
    "root": refused(lambda: pathlib.Path("/written").write_text("x")),
    "token": pathlib.Path("/var/run/secrets").exists(),
    "named": sorted(name for name in os.environ if "MLFLOW" in name or "TOKEN" in name),
    "capabilities": [line for line in open("/proc/self/status") if line.startswith("CapEff")][0].split()[1],
    "tried": {{what: attempt(what) for what in {TRIED}}},
}}))
"""
"""It looks around, and tries what programs of a model try, without the sandbox around them."""
LISTING = "import os; print(*sorted(os.listdir('/gopd/jobs')), os.path.exists('/gopd/data/attempts.jsonl'))"


@pytest.fixture(scope="module")
def trainings(installation: Installation, team: str) -> dict[str, Followed]:
    """One in each namespace, and an EvalJob beside the second; both train."""
    assert team in STEPS
    volume = installation.team("team-b")
    write_problem(volume)
    login = {"MLFLOW_TRACKING_USERNAME": "gopd", "MLFLOW_TRACKING_PASSWORD": "change-me"}
    installation.api.delete(SECRETS, "team-b", LOGIN)
    installation.api.create(SECRETS, "team-b", {"metadata": {"name": LOGIN}, "stringData": login})
    for namespace, steps in STEPS.items():
        installation.apply(
            namespace, short_job(NAME, {"optimization": {"steps": steps}, "evaluation": SMALL_EVALUATION})
        )
    installation.apply("team-b", evaluation("drawn", LOGIN))
    found = {namespace: Followed(installation, namespace, NAME) for namespace in STEPS}
    for one in found.values():
        one.wait("training pod", lambda one=one: running(one, "train"))  # type: ignore[misc]
    drawn = Followed(installation, "team-b", "drawn", EVAL_JOBS)
    drawn.wait("pod that draws answers", lambda: drawn.pods(part="generate") != [])
    assert all(running(one, "train") for one in found.values()), "all three are there at the same time"
    return found


def running(followed: Followed, part: str) -> bool:
    return any(pod["status"].get("phase") == "Running" for pod in followed.pods(part=part))


@pytest.mark.parametrize("namespace", STEPS)
def test_a_pod_sees_the_volume_of_its_own_team(
    installation: Installation, trainings: dict[str, Followed], namespace: str
) -> None:
    (pod,) = trainings[namespace].pods(part="train")
    words = ("exec", "-n", namespace, pod["metadata"]["name"], "--", "python", "-c", LISTING)
    assert installation.access.kubectl(*words).stdout.split() == [namespace, str(namespace == "team-b")]


def granted(account: Api, namespace: str) -> set[tuple[str, str, str]]:
    """Everything that an account may do in a namespace, as the API server says: verb, resource, name."""
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    answer = account.request("POST", path, asked)["status"]
    assert not answer["incomplete"]
    return {
        (verb, resource, name)
        for rule in answer["resourceRules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
    }


def refusal(act: Callable[[], object]) -> int:
    """The status of the API server's refusal, 0 where there was none."""
    try:
        act()
    except ApiError as error:
        return error.status
    return 0


@pytest.mark.parametrize("namespace", STEPS)
def test_a_trainings_token_patches_its_one_config_map_and_nothing_else(
    installation: Installation, trainings: dict[str, Followed], namespace: str
) -> None:
    (pod,) = trainings[namespace].pods(part="train")
    account = pod["spec"]["serviceAccountName"]
    mine = installation.access.account_api(namespace, account)
    maps = installation.api.list(CONFIG_MAPS, namespace, labels=f"gopd.io/job={NAME}")
    other = next(name for one in maps if account != (name := one["metadata"]["name"]))
    elsewhere = next(one for one in STEPS if one != namespace)
    (theirs,) = trainings[elsewhere].pods(part="train")
    foreign = theirs["spec"]["serviceAccountName"]
    # What every account may: ask what it may.
    asking = {("create", f"selfsubject{what}", "*") for what in ("accessreviews", "rulesreviews", "reviews")}
    assert granted(mine, namespace) - asking == {("get", "configmaps", account), ("patch", "configmaps", account)}
    assert granted(mine, elsewhere) - asking == set()
    touched: Document = {"metadata": {"annotations": {"tests": "tried"}}}
    assert refusal(lambda: mine.merge(CONFIG_MAPS, namespace, account, touched, dryRun="All")) == 0
    tried = {
        "patch another": lambda: mine.merge(CONFIG_MAPS, namespace, other, touched, dryRun="All"),
        "read another": lambda: mine.get(CONFIG_MAPS, namespace, other),
        "list": lambda: mine.list(CONFIG_MAPS, namespace),
        "delete its own": lambda: mine.delete(CONFIG_MAPS, namespace, account, dryRun="All"),
        "secrets": lambda: mine.list(SECRETS, namespace),
        "pods": lambda: mine.list(PODS, namespace),
        "roles": lambda: mine.list(ROLES, namespace),
        "the system's": lambda: mine.list(CONFIG_MAPS, "kube-system"),
        "patch the other team's": lambda: mine.merge(CONFIG_MAPS, elsewhere, foreign, touched, dryRun="All"),
        "read the other team's": lambda: mine.get(CONFIG_MAPS, elsewhere, foreign),
    }
    assert {what: refusal(act) for what, act in tried.items()} == dict.fromkeys(tried, 403)


def test_trainings_of_one_name_and_an_evaluation_do_not_see_each_other(
    installation: Installation, trainings: dict[str, Followed]
) -> None:
    drawn = Followed(installation, "team-b", "drawn", EVAL_JOBS)
    ended = {namespace: one.wait_for_end() for namespace, one in trainings.items()}
    drawn.wait_for_end()
    spans = [(status["attempts"][0]["started"], status["attempts"][0]["ended"]) for status in ended.values()]
    assert max(map(moment, (span[0] for span in spans))) < min(map(moment, (span[1] for span in spans)))
    assert {name: status["progress"]["totalSteps"] for name, status in ended.items()} == STEPS
    for namespace, one in trainings.items():
        assert one.run().steps("kl/teacher") == list(range(1, STEPS[namespace] + 1))
        root = installation.cluster.volumes / f"{namespace}-{CLAIM}" / "jobs"
        assert [folder.name for folder in root.iterdir()] == [namespace]
    assert len({one.run().run_id for one in trainings.values()}) == 2


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.usefixtures("trainings")
def test_what_a_model_could_write_opens_no_socket_in_the_pod_that_grades(installation: Installation) -> None:
    """The answers of an EvalJob are replaced by programs; the next EvalJob finds them and grades them in its pod."""
    volume = installation.cluster.volumes / f"team-b-{CLAIM}"
    Followed(installation, "team-b", "drawn", EVAL_JOBS).wait_for_end()
    replace_answers(volume)
    installation.apply("team-b", evaluation("attempts", LOGIN))
    followed = Followed(installation, "team-b", "attempts", EVAL_JOBS)
    status = followed.wait_for_end()
    assert verdicts(volume) == VERDICTS
    (score,) = [one for one in status["evaluations"] if one["metric"] == "avg@2"]
    assert score["value"] == 0.5


@pytest.mark.usefixtures("trainings")
def test_the_pod_that_grades_can_write_nowhere_and_knows_nothing(installation: Installation) -> None:
    Followed(installation, "team-b", "drawn", EVAL_JOBS).wait_for_end()
    jobs = {part: part_job(installation, part) for part in ("grade", "compare")}
    (compares,) = jobs["compare"]["spec"]["containers"]
    assert compares["envFrom"] == [{"secretRef": {"name": LOGIN}}], "the comparison has what grading must not have"
    spec = copy.deepcopy(jobs["grade"]["spec"])
    (container,) = spec["containers"]
    container["command"] = ["python", "-c", PROBE]
    spec["restartPolicy"] = "Never"
    installation.api.create(PODS, "team-b", {"metadata": {"name": "probe"}, "spec": spec})
    try:
        told = said(installation, "team-b", "probe")
    finally:
        installation.api.delete(PODS, "team-b", "probe")
    tried = told.pop("tried")
    here = installation.cluster.node is not None
    # Network policies, where they are enforced, keep it from servers even without the sandbox.
    assert {what: how for what, how in tried.items() if here or what in TRIED[2:]} == dict.fromkeys(
        TRIED if here else TRIED[2:], "done"
    ), "what the sandbox refused would have been refused without it"
    assert told == {"user": 1000, "root": "OSError", "token": False, "named": [], "capabilities": "0" * 16}


def part_job(installation: Installation, part: str) -> Document:
    """What pods of one part of the evaluation are made from."""
    (job,) = installation.api.list(JOBS, "team-b", labels=f"gopd.io/job=drawn,gopd.io/part={part}")
    template: Document = job["spec"]["template"]
    return template


def said(installation: Installation, namespace: str, pod: str, patience: float = 120) -> Document:
    """What a pod prints, once it has ended well."""
    give_up = time.monotonic() + patience
    while (phase := installation.api.get(PODS, namespace, pod)["status"].get("phase")) != "Succeeded":
        assert phase != "Failed", installation.access.kubectl("logs", pod, "-n", namespace, check=False).stdout
        assert time.monotonic() < give_up, phase
        time.sleep(0.5)
    told: Document = json.loads(installation.access.kubectl("logs", pod, "-n", namespace).stdout)
    return told
