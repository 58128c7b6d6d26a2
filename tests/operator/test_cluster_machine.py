"""Any order of events, with the operator dying between any two effects, keeps the promises of the core.

A hypothesis state machine over the pure core: the rules are what people, KubeRay, queues, nodes and time may do.
"""

from typing import Any

import hypothesis.strategies as st
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.operator.cluster_world import World, tiny_job

from gopd_operator.core.cluster.conditions import ENDED
from gopd_operator.core.cluster.seen import job_seen


class Operator(RuleBasedStateMachine):
    """One job, from its creation to whatever becomes of it."""

    @initialize(queue=st.booleans(), deadline=st.sampled_from([None, 86400]))
    def born(self, queue: bool, deadline: int | None) -> None:
        spec: dict[str, Any] = {"scheduling": {"queue": "gpu"}} if queue else {}
        if deadline:
            spec["lifecycle"] = {"activeDeadlineSeconds": deadline}
        self.world = World(tiny_job(**spec))
        self.highest = 0
        self.ended: Any = None

    def running(self) -> bool:
        rayjobs = self.world.of("RayJob")
        return bool(rayjobs) and "deletionTimestamp" not in rayjobs[-1]["metadata"]

    @rule(most=st.integers(0, 8))
    def operator_acts_and_may_die(self, most: int) -> None:
        self.world.act(most)

    @rule()
    def operator_works_undisturbed(self) -> None:
        """It comes to rest: a decision that was carried out leaves nothing to do."""
        self.world.settle()
        assert self.world.effects(self.world.decide()) == []

    @rule()
    def deletions_finish(self) -> None:
        self.world.finish_deletions()

    @rule(seconds=st.sampled_from([1, 40, 400, 2000, 40000]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @precondition(running)
    @rule(state=st.sampled_from(["Initializing", "Running", "Suspending", "Suspended", ""]))
    def kuberay_moves(self, state: str) -> None:
        self.world.kuberay(state, "RUNNING" if state == "Running" else "")

    @precondition(running)
    @rule(
        end=st.sampled_from([("Complete", "SUCCEEDED"), ("Complete", "STOPPED"), ("Failed", "FAILED"), ("Failed", "")]),
        reason=st.sampled_from(["AppFailed", "JobStatusCheckTimeoutExceeded", "SubmissionFailed", ""]),
    )
    def kuberay_ends(self, end: tuple[str, str], reason: str) -> None:
        self.world.kuberay(end[0], end[1], reason=reason)

    @precondition(running)
    @rule(step=st.integers(0, 10), saved=st.sampled_from([(), (5,), (5, 10)]))
    def training_writes_progress(self, step: int, saved: tuple[int, ...]) -> None:
        self.world.trains(step, saved=saved)

    @precondition(lambda self: self.running() and self.world.progress is not None)
    @rule(outcome=st.sampled_from(["succeeded", "failed", "stopped"]), reason=st.sampled_from(["Error", "OutOfMemory"]))
    def training_reports(self, outcome: str, reason: str) -> None:
        self.world.reports(outcome, reason)

    @precondition(running)
    @rule(rounds=st.integers(1, 4))
    def training_stalls_while_its_pods_live_on(self, rounds: int) -> None:
        """The operator has to end what still runs, and to wait until it is gone."""
        self.world.kuberay("Running", "RUNNING")
        self.world.trains(3)
        self.world.act()
        for _ in range(rounds):
            self.world.now += 2000
            self.world.act()

    @precondition(running)
    @rule(what=st.sampled_from([{"terminated": "OOMKilled"}, {"disrupted": True}, {"waiting": "ErrImagePull"}]))
    def pods_suffer(self, what: dict[str, Any]) -> None:
        self.world.pod(self.world.rayjob["metadata"]["name"], **what)

    # Before it was seen, a deleted RayJob cannot be told from one that was never created: it is created (again).
    @precondition(lambda self: self.running() and self.world.attempts[-1].uid is not None)
    @rule()
    def somebody_deletes_the_rayjob(self) -> None:
        self.world.objects.pop(("RayJob", self.world.rayjob["metadata"]["name"]))

    @precondition(running)
    @rule()
    def queue_flips_suspend(self) -> None:
        spec = self.world.rayjob["spec"]
        spec["suspend"] = not spec["suspend"]

    @rule(good=st.booleans())
    def jobs_end(self, good: bool) -> None:
        for body in self.world.of("Job"):
            if job_seen(body).state == "active":
                self.world.job_ends(body["metadata"]["name"], good=good or self.world.now % 3 > 0, scores=1)

    @rule(suspend=st.booleans())
    def person_changes_suspend(self, suspend: bool) -> None:
        self.world.change(suspend=suspend)

    @invariant()
    def never_two_live_attempts(self) -> None:
        if hasattr(self, "world"):
            assert len(self.world.rayjobs_alive()) <= 1

    @invariant()
    def an_attempt_that_status_knows_may_write_its_progress(self) -> None:
        if hasattr(self, "world") and any(one.uid and not one.ended for one in self.world.attempts):
            assert {"Role", "RoleBinding"} <= {kind for kind, _ in self.world.objects}

    @invariant()
    def attempt_numbers_only_grow(self) -> None:
        if hasattr(self, "world"):
            numbers = [one.number for one in self.world.attempts]
            assert numbers == sorted(set(numbers))
            assert max(numbers, default=0) >= self.highest
            self.highest = max(numbers, default=0)
            made = [name for name in self.world.created if name.startswith("RayJob/")]
            assert len(made) == len(set(made)), "a RayJob was made twice"

    @invariant()
    def terminal_is_final(self) -> None:
        if hasattr(self, "world"):
            if self.ended is not None:
                assert self.world.phase() == self.ended
            elif self.world.phase() in ENDED:
                self.ended = self.world.phase()

    @invariant()
    def the_same_look_gives_the_same_decision(self) -> None:
        if hasattr(self, "world"):
            first, second = self.world.decide(), self.world.decide()
            assert first == second, "the same look gives another decision"

    def teardown(self) -> None:
        """From wherever it is, a fair world brings the job to an end."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.change(suspend=False)
        for _ in range(60):
            world.settle()
            if world.phase() in ENDED:
                return
            world.pods.clear()
            if self.running():
                world.rayjob["spec"]["suspend"] = False
                world.trains(10, resumed=world.attempts[-1].expects, saved=(5, 10))
                world.reports("succeeded")
                world.kuberay("Complete", "SUCCEEDED")
            for body in world.of("Job"):
                if job_seen(body).state == "active":
                    world.job_ends(body["metadata"]["name"], scores=1)
            world.now += 2000
        raise AssertionError(f"the job does not end: {world.status}")


TestOperator = Operator.TestCase
# No shrinking: it takes minutes here, and the steps that are printed are short enough to be read.
WITHOUT_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate, Phase.target]
TestOperator.settings = settings(max_examples=80, stateful_step_count=30, deadline=None, phases=WITHOUT_SHRINKING)
