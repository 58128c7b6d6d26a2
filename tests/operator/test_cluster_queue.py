"""The operator's queue: each key once, the urgent before the calm, failures later and later."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gopd_operator.shell.cluster.keyqueue import CALM_BESIDE_OTHERS, LONGEST_WAIT, Again, KeyQueue

Look = Callable[[str], Awaitable[Again | None]]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def worked(queue: KeyQueue[str], look: Look, at_once: int = 1) -> None:
    """Let the queue work on what is due, then end it."""
    work = asyncio.create_task(queue.work(look, at_once))
    await turns()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def turns() -> None:
    """Let others have many turns."""
    for _ in range(100):
        await asyncio.sleep(0)


def order(fill: Callable[[KeyQueue[str], Clock], None]) -> list[str]:
    """The order in which one worker takes keys."""
    seen: list[str] = []

    async def look(key: str) -> Again | None:
        seen.append(key)
        return None

    async def run() -> None:
        clock = Clock()
        queue: KeyQueue[str] = KeyQueue(clock)
        fill(queue, clock)
        await worked(queue, look)

    asyncio.run(run())
    return seen


def test_a_key_that_is_added_twice_is_taken_once() -> None:
    def fill(queue: KeyQueue[str], clock: Clock) -> None:
        for key in ("a", "b", "a"):
            queue.add(key)

    assert order(fill) == ["a", "b"]


def test_urgent_keys_are_taken_before_calm_ones_that_came_earlier() -> None:
    def fill(queue: KeyQueue[str], clock: Clock) -> None:
        queue.add("calm", calm=True)
        clock.now += 1
        queue.add("urgent")

    assert order(fill) == ["urgent", "calm"]


def test_a_calm_key_becomes_urgent_when_somebody_waits_for_it() -> None:
    def fill(queue: KeyQueue[str], clock: Clock) -> None:
        queue.add("a", calm=True)
        queue.add("b", calm=True)
        queue.add("b")

    assert order(fill) == ["b", "a"]


def test_an_urgent_key_stays_urgent_when_it_is_asked_for_calmly() -> None:
    def fill(queue: KeyQueue[str], clock: Clock) -> None:
        queue.add("late", 0.0)
        queue.add("early", calm=True)
        queue.add("late", calm=True)

    assert order(fill) == ["late", "early"]


def test_a_look_knows_whether_it_came_as_a_calm_one() -> None:
    found: dict[str, bool] = {}

    async def run() -> None:
        queue: KeyQueue[str] = KeyQueue(Clock())

        async def look(key: str) -> Again | None:
            found[key] = queue.calm(key)
            return None

        queue.add("calm", calm=True)
        queue.add("urgent")
        await worked(queue, look)
        assert not queue.calm("calm")

    asyncio.run(run())
    assert found == {"calm": True, "urgent": False}


def test_a_key_is_not_taken_before_its_time() -> None:
    seen: list[str] = []

    async def look(key: str) -> Again | None:
        seen.append(key)
        return None

    async def run() -> None:
        clock = Clock()
        queue: KeyQueue[str] = KeyQueue(clock)
        queue.add("later", 5.0)
        await worked(queue, look)
        assert (seen, len(queue), queue.pressed()) == ([], 0, False)
        clock.now += 5.0
        assert (len(queue), queue.pressed(), queue.oldest()) == (1, True, 0.0)
        await worked(queue, look)
        assert seen == ["later"]

    asyncio.run(run())


def test_no_key_is_worked_on_twice_at_once_and_one_that_is_added_meanwhile_comes_again() -> None:
    at_once, most, looks = 0, 0, 0

    async def run() -> None:
        queue: KeyQueue[str] = KeyQueue(Clock())

        async def look(key: str) -> Again | None:
            nonlocal at_once, most, looks
            at_once, looks = at_once + 1, looks + 1
            most = max(most, at_once)
            if looks == 1:
                queue.add(key)
            await asyncio.sleep(0)
            at_once -= 1
            return None

        queue.add("a")
        await worked(queue, look, at_once=4)

    asyncio.run(run())
    assert (most, looks) == (1, 2)


def test_calm_keys_are_held_back_while_others_are_worked_on_and_only_then() -> None:
    async def run() -> None:
        queue: KeyQueue[str] = KeyQueue(Clock())
        urgent, calm, inside = asyncio.Event(), asyncio.Event(), set[str]()

        async def look(key: str) -> Again | None:
            inside.add(key)
            await (urgent if key == "urgent" else calm).wait()
            return None

        queue.add("urgent")
        for number in range(20):
            queue.add(f"calm-{number}", calm=True)
        work = asyncio.create_task(queue.work(look, 8))
        await turns()
        assert "urgent" in inside
        assert len(inside) == 1 + CALM_BESIDE_OTHERS
        assert (queue.pressed(), queue.pressed(but="urgent")) == (True, False)
        urgent.set()
        await turns()
        assert len(inside) == 1 + 8, "all places are theirs when nobody waits"
        assert not queue.pressed()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(run())


def test_what_a_look_asks_for_comes_back_when_it_said() -> None:
    async def run() -> list[float]:
        clock = Clock()
        queue: KeyQueue[str] = KeyQueue(clock)
        looked: list[float] = []

        async def look(key: str) -> Again | None:
            looked.append(clock.now)
            return Again(7.0) if len(looked) == 1 else None

        queue.add("a")
        await worked(queue, look)
        clock.now += 6.0
        await worked(queue, look)
        clock.now += 1.0
        await worked(queue, look)
        return looked

    assert asyncio.run(run()) == [100.0, 107.0]


def test_failures_wait_longer_each_time_and_are_forgotten_after_a_success() -> None:
    queue: KeyQueue[str] = KeyQueue(Clock())
    waits = [queue.failed("a") for _ in range(10)]
    assert 0.25 <= waits[0] <= 0.5
    assert LONGEST_WAIT / 2 <= waits[-1] <= LONGEST_WAIT
    assert queue.failed("b", at_least=3.0) == pytest.approx(3.0)
    queue.succeeded("a")
    assert queue.failed("a") <= 0.5
