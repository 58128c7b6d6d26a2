"""Events are told in order, politely, and to the end; one that cannot be written stops nothing."""

import asyncio
from typing import Any, cast

import pytest

from gopd_operator.core.cluster.decision import Event
from gopd_operator.core.cluster.names import Key
from gopd_operator.shell.cluster import teller
from gopd_operator.shell.cluster.api import Api, ApiError
from gopd_operator.shell.cluster.teller import Teller

KEY = Key("DistillationJob", "team", "a-job")


class Server:
    """Takes events, or refuses some."""

    def __init__(self, refused: str = "") -> None:
        self.told: list[str] = []
        self.names: list[str] = []
        self.refused = refused

    async def create(self, _: object, body: dict[str, Any]) -> dict[str, Any]:
        if body["reason"] == self.refused:
            raise ApiError(403, "Forbidden", "no")
        self.told.append(body["reason"])
        self.names.append(body["metadata"]["name"])
        return body


def tell(server: Server, *reasons: str, crowded: bool = False, seconds: float = 0.05) -> list[str]:
    """Tell these, let the teller work for so long, end it, and let it say its last words: what was told before them."""

    async def run() -> list[str]:
        telling = Teller(cast(Api, server), lambda: crowded)
        for reason in reasons:
            telling.tell(KEY, "uid-1", Event("Normal", reason, "words"))
        work = asyncio.create_task(telling.work())
        await asyncio.sleep(seconds)
        before = list(server.told)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await telling.last_words()
        return before

    return asyncio.run(run())


def test_events_of_a_job_keep_their_order() -> None:
    assert tell(Server(), "One", "Two", "Three") == ["One", "Two", "Three"]


def test_an_event_that_is_refused_is_dropped_and_the_next_one_told() -> None:
    assert tell(Server(refused="One"), "One", "Two") == ["Two"]


def test_events_wait_while_jobs_do_and_none_is_lost_at_the_end() -> None:
    server = Server()
    assert tell(server, "One", "Two", "Three", crowded=True) == []
    assert sorted(server.told) == ["One", "Three", "Two"]


def test_events_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "POLITE_SECONDS", 0.02)
    monkeypatch.setattr(teller, "POLITE_STEP", 0.01)
    assert tell(Server(), "One", crowded=True, seconds=0.3) == ["One"]


def test_the_same_words_of_the_same_job_are_one_event() -> None:
    server = Server()
    tell(server, "One", "One")
    assert len(set(server.names)) == 1


def test_what_waits_to_be_told_is_not_told_twice_and_later_it_is_told_again() -> None:
    server = Server()
    assert tell(server, "One", "Two", "One") == ["One", "Two"]

    async def run() -> None:
        telling = Teller(cast(Api, server), lambda: False)
        for _ in range(2):
            telling.tell(KEY, "uid-1", Event("Normal", "Three", "words"))
            await telling.last_words()

    asyncio.run(run())
    assert server.told == ["One", "Two", "Three", "Three"]


def test_of_more_events_than_fit_the_oldest_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "LANE_EVENTS", 2)
    assert tell(Server(), "One", "Two", "Three") == ["Two", "Three"]
