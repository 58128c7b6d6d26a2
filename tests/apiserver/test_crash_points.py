"""The operator dies right before and right after every single write of whole lives, and nothing is lost or done twice.

Every write is found by the proxy between operator and API server. Here one life is lived through, with a death before
and a death after each write in it. `GOPD_CRASH_POINTS=each` lives a fresh life for every write instead: 120 lives.
"""

import itertools
import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.apiserver.life import QUICK, Life
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy
from tests.cluster.fault_rules import Request, Rule, to

pytestmark = pytest.mark.timeout(1500)
SETTINGS = {"resyncSeconds": 10, "patience": {"imageSeconds": 60, "reportSeconds": 30, "startSeconds": 1800}}


@pytest.fixture
def life(control_plane: ControlPlane, namespace: str) -> Iterator[Life]:
    with Life(control_plane, namespace).played() as playing:
        yield playing


def operator_for(
    control_plane: ControlPlane, proxy: FaultProxy, namespace: str, folder: Path, name: str = "operator"
) -> OperatorProcess:
    """An operator of one namespace, behind the proxy."""
    grant(control_plane, namespace, folder / "access.yaml")
    kubeconfig = proxy.account_kubeconfig(HOME, ACCOUNT)
    return OperatorProcess(kubeconfig, folder, name, namespaces=[namespace], **SETTINGS)


TIMES = re.compile(rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|"resourceVersion":\s*"\d+"')


class Points:
    """The writes at which the operator has died already: each dies once before and once after, then passes.

    Whoever is started again does from the beginning what it had begun, so the same write comes again and again. Two
    writes are the same when they differ in times and versions only.
    """

    def __init__(self) -> None:
        self.died: set[tuple[bool, str, str, str, bytes]] = set()
        self.last: tuple[bool, str, str, str, bytes] | None = None

    def match(self, after: bool) -> Callable[[Request], bool]:
        def fresh(request: Request) -> bool:
            if request.name.startswith("sw-") and not request.path.endswith("/distillationjobs"):
                return False  # what a sweep's child does, `tiny` has done
            body = TIMES.sub(b"", request.body) if request.method in ("PUT", "PATCH") else b""
            self.last = (after, request.method, request.path, request.name, body)
            return self.last not in self.died

        return fresh


def in_background(work: Callable[[threading.Event], None]) -> tuple[threading.Event, threading.Thread]:
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    return over, thread


def test_a_death_before_and_after_every_write(
    control_plane: ControlPlane, proxy: FaultProxy, life: Life, namespace: str, tmp_path: Path
) -> None:
    operator = operator_for(control_plane, proxy, namespace, tmp_path)
    points = Points()

    def haunt(over: threading.Event) -> None:
        """Kill before a write that is new, and start again; the next time kill after one."""
        for after in itertools.cycle([False, True]):
            operator.start(wait=False)
            kill = proxy.kill(operator.pid, after=after, match=points.match(after))
            while not kill.happened.wait(0.05):
                if over.is_set():
                    return
            assert points.last is not None
            points.died.add(points.last)
            operator.kill()

    over, thread = in_background(haunt)
    try:
        life.train()
        life.delete()
        life.sweep()
    finally:
        over.set()
        thread.join(30)
        proxy.forget()
        operator.stop()
    life.holds()
    before = {point[1:] for point in points.died if not point[0]}
    print(f"{len(points.died)} deaths at {len(before)} writes; {len(proxy.log)} writes in all")
    assert len(before) >= 30


Trouble = Callable[[threading.Event], None]


@dataclass
class Troubles:
    """What may go wrong around operators, each for as long as it is let."""

    control_plane: ControlPlane
    proxy: FaultProxy
    operators: list[OperatorProcess]
    chance: random.Random

    def two_operators(self, over: threading.Event) -> None:
        """Both work; now one, now the other is killed in the middle of whatever it does."""
        while not over.wait(self.chance.uniform(2, 6)):
            victim = self.chance.choice(self.operators)
            victim.kill()
            victim.start(wait=False)

    def watches_are_cut(self, over: threading.Event) -> None:
        while not over.wait(1.0):
            self.proxy.cut_watches()
            over.wait(1.0)
            self.proxy.expire_watches()

    def api_server_restarts(self, over: threading.Event) -> None:
        """Killed three times, with time in between for everybody's watches to come back."""
        for _ in range(3):
            if over.wait(10.0):
                return
            self.control_plane.restart_api_server(kill=True)
        over.wait()  # a process of the control plane dies with the thread that started it

    def refusals_and_time_outs(self, over: threading.Event) -> None:
        """Each kind of refusal, and requests that hang with and without effect, one after the other."""
        for status in [409, 410, 422, 429, 500, 503, 0, 1]:
            nth, times = self.chance.randint(1, 3), self.chance.randint(1, 2)
            if status > 1:
                rule: Rule = self.proxy.answer(status, times=times, nth=nth)
            else:
                times, rule = 1, self.proxy.hang(nth=nth, forwarded=bool(status))
            while rule.seen < nth + times - 1:
                if over.wait(0.1):
                    return


@pytest.mark.parametrize(
    "trouble", ["two_operators", "watches_are_cut", "api_server_restarts", "refusals_and_time_outs"]
)
def test_the_same_end_in_spite_of(
    trouble: str, control_plane: ControlPlane, proxy: FaultProxy, life: Life, namespace: str, tmp_path: Path
) -> None:
    count = 2 if trouble == "two_operators" else 1
    operators = [operator_for(control_plane, proxy, namespace, tmp_path, f"operator-{n}") for n in range(count)]
    for operator in operators:
        operator.start()
    work: Trouble = getattr(Troubles(control_plane, proxy, operators, random.Random(1)), trouble)
    over, thread = in_background(work)
    try:
        life.train()
        life.delete()
        life.sweep()
    finally:
        over.set()
        thread.join(60)
        proxy.forget()
        if trouble == "api_server_restarts":
            # A process of the control plane dies with the thread that started it: the next tests need one of this.
            control_plane.restart_api_server()
        for operator in operators:
            operator.stop()
    life.holds()


def test_a_refused_object_is_told_as_an_event_and_asked_for_again(
    control_plane: ControlPlane, proxy: FaultProxy, life: Life, namespace: str, tmp_path: Path
) -> None:
    proxy.answer(403, match=to("POST", "/rayjobs"))
    with operator_for(control_plane, proxy, namespace, tmp_path):
        life.stage.apply(**QUICK)
        life.started(1)
        life.wait(lambda: "RequestRefused" in life.stage.events())


def _each() -> list[tuple[int, bool]]:
    if os.environ.get("GOPD_CRASH_POINTS") != "each":
        return []
    return [(nth, after) for nth in range(1, 61) for after in (False, True)]


@pytest.mark.skipif(not _each(), reason="120 whole lives; asked for by GOPD_CRASH_POINTS=each")
@pytest.mark.parametrize(("nth", "after"), _each() or [(1, False)])
def test_one_death_at_one_write_of_a_fresh_life(
    nth: int, after: bool, control_plane: ControlPlane, proxy: FaultProxy, life: Life, namespace: str, tmp_path: Path
) -> None:
    operator = operator_for(control_plane, proxy, namespace, tmp_path)
    operator.start()
    kill = proxy.kill(operator.pid, nth=nth, after=after)

    def raise_again(over: threading.Event) -> None:
        while not over.wait(0.1):
            if kill.happened.is_set():
                operator.kill()
                operator.start(wait=False)
                return

    over, thread = in_background(raise_again)
    try:
        life.train()
        life.delete()
        life.sweep()
    finally:
        over.set()
        thread.join(30)
        operator.stop()
    life.holds()
