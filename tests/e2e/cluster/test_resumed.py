"""Faults that end an attempt, one after the other during a single training: it goes on from its newest checkpoint.

The tests follow each other on the same job. Each does its fault and sees how the attempt has ended and where the next
one begins; the last looks at what came of it.
"""

from collections.abc import Callable

import pytest
from tests.cluster.api import Document
from tests.e2e.cluster import inside
from tests.e2e.cluster.faults import kill_pod
from tests.e2e.cluster.installation import Installation, short_job
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(1200)
STEPS, SAVED_EVERY, STALLED_AFTER = 60, 2, 30
CHANGES = {
    "optimization": {"steps": STEPS},
    "checkpoints": {"everySteps": SAVED_EVERY},
    "lifecycle": {"stallAfterSeconds": STALLED_AFTER},
}


@pytest.fixture(scope="module")
def job(installation: Installation, team: str) -> Followed:
    """A training that saves often."""
    installation.apply(team, short_job("resumed", CHANGES))
    return Followed(installation, team, "resumed")


@pytest.fixture
def saved(job: Followed) -> int:
    """The newest checkpoint, one that was saved since the last fault: every attempt gets somewhere."""
    before = job.attempts()[-1]["expects"] if job.attempts() else 0
    job.wait(f"checkpoint after step {before}", lambda: job.checkpoint() > before)
    assert job.step() < STEPS - SAVED_EVERY, "the training is too short for its faults; give it more steps"
    return job.checkpoint()


def follows(job: Followed, number: int, saved: int) -> Document:
    """Attempt `number` has ended; the next one has begun, and at the newest checkpoint or later. The one that ended."""
    job.wait(
        f"training of attempt {number + 1}",
        lambda: len(job.attempts()) > number and (job.attempts()[number].get("toStep") or 0) >= saved,
    )
    ended, next_one = job.attempts()[number - 1 : number + 1]
    assert next_one["expects"] >= saved
    assert next_one["fromStep"] >= next_one["expects"]
    assert job.condition("ResumeVerified")["status"] == "True"
    return ended


def test_the_training_process_is_killed(job: Followed, saved: int) -> None:
    inside.kill_training(job)
    ended = follows(job, 1, saved)
    assert (ended["failure"], ended["reason"]) == ("application", "Died")


def test_the_head_pod_is_killed(job: Followed, saved: int) -> None:
    """KubeRay replaces it and hands the same job to it: no attempt is used up, and it goes on where it was."""
    kill_pod(job.installation, job.namespace, f"gopd.io/job={job.name},gopd.io/part=train")
    job.wait("start from the checkpoint", lambda: job.attempts()[-1]["fromStep"] >= saved)
    assert [one["number"] for one in job.attempts()] == [1, 2]
    assert job.condition("ResumeVerified")["status"] == "True"


def test_a_suspended_job_goes_on_where_it_was(job: Followed, saved: int, installation: Installation) -> None:
    patch = ("patch", "dj", job.name, "-n", job.namespace, "--type", "merge", "-p")
    installation.access.kubectl(*patch, '{"spec":{"lifecycle":{"suspend":true}}}')
    job.wait("phase Suspended", lambda: job.phase() == "Suspended")
    job.wait("machines freed", lambda: job.pods(part="train") == [])
    saved = job.checkpoint()
    installation.access.kubectl(*patch, '{"spec":{"lifecycle":{"suspend":false}}}')
    ended = follows(job, 2, saved)
    assert (ended["failure"], ended["reason"]) == ("suspension", "Suspended")


def test_a_training_that_makes_no_progress_is_ended_and_begun_again(job: Followed, saved: int) -> None:
    assert inside.freeze(job) >= 2
    ended = follows(job, 3, saved)
    assert (ended["failure"], ended["reason"]) == ("stall", "Stalled")


def test_the_training_ends_as_if_nothing_had_happened(job: Followed, tell: Callable[[str], None]) -> None:
    status = job.wait_for_end()
    assert [one.get("failure") for one in status["attempts"]] == ["application", "suspension", "stall", None]
    assert status["failures"]["counted"] == 2, "a suspension and a lost machine are not the job's fault"
    assert status["progress"]["display"] == f"{STEPS}/{STEPS}"
    run = job.run()
    assert run.runs_of_job(job.document()["metadata"]["uid"]) == [run.run_id]
    assert run.steps("kl/teacher") == list(range(1, STEPS + 1)), "each step is recorded once"
    job.wait("run FINISHED", lambda: run.status() == "FINISHED", 60)
    starts = ", ".join(str(one["fromStep"]) for one in status["attempts"])
    tell(f"{job.name}: {STEPS} steps in {len(status['attempts'])} attempts, which began at steps {starts}")
