"""What reaches the cluster of a training, and when: against a small API server that refuses, hangs and goes away."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.images.api_server import ApiServer

from gopd_api.reports import Progress, SavedCheckpoint, TrainReport
from gopd_trainer.shell import publisher as module
from gopd_trainer.shell.publisher import Publisher

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(module, "LAST_RETRY_SECONDS", 0.1)
    server = ApiServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def said() -> list[str]:
    return []


def progress(step: int = 0, attempt: int = 2, phase: str = "training", **more: Any) -> Progress:
    given = {"request_digest": DIGEST, "attempt": attempt, "phase": phase, "step": step, "heartbeat": "now", **more}
    return Progress.model_validate(given)


REPORT = TrainReport(request_digest=DIGEST, outcome="succeeded", reason="Completed", step=9)


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def step_in(server: ApiServer) -> int:
    return Progress.model_validate_json(server.data["progress"]).step if "progress" in server.data else -1


def publisher(server: ApiServer, said: list[str], quiet: float = 0.3, timeout: float = 1.0) -> Publisher:
    return Publisher(server.config_map(timeout), 2, said.append, quiet)


def test_many_steps_become_few_writes_and_the_newest_is_written(server: ApiServer, said: list[str]) -> None:
    one = publisher(server, said)
    assert one.begin(progress())
    for step in range(1, 200):
        one.progress(progress(step))
        time.sleep(0.004)
    eventually(lambda: step_in(server) == 199)
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert 2 <= len(gaps) <= 5
    assert min(gaps) > 0.25
    assert said == []


def test_another_phase_a_checkpoint_and_the_report_are_written_at_once(server: ApiServer, said: list[str]) -> None:
    one = publisher(server, said, quiet=60)
    assert one.begin(progress())
    one.progress(progress(1))
    one.progress(progress(1, phase="saving"))
    eventually(lambda: '"phase":"saving"' in server.data["progress"])
    one.progress(progress(1, phase="saving", checkpoints=[SavedCheckpoint(step=1, path="/c")]))
    eventually(lambda: '"path":"/c"' in server.data["progress"])
    one.progress(progress(3, phase="saving", checkpoints=[SavedCheckpoint(step=1, path="/c")]))
    assert one.finish(REPORT)
    assert TrainReport.model_validate_json(server.data["report"]) == REPORT
    assert step_in(server) == 3
    assert "\n" not in server.data["progress"] + server.data["report"]


def test_the_report_of_an_earlier_attempt_is_taken_away(server: ApiServer, said: list[str]) -> None:
    server.data = {"progress": progress(7, attempt=1).to_json(), "report": REPORT.to_json(), "other": "kept"}
    assert publisher(server, said).begin(progress())
    assert server.data.keys() == {"progress", "other"}
    assert step_in(server) == 0


def test_a_stale_attempt_writes_nothing_and_is_told_to_end(server: ApiServer, said: list[str]) -> None:
    newer = progress(7, attempt=3).to_json()
    server.data = {"progress": newer}
    one = publisher(server, said)
    assert not one.begin(progress())
    assert not one.finish(REPORT, patience=5)
    assert server.patches == []
    assert said == ["attempt 3 has begun: this one, attempt 2, ends without a trace"]


def test_an_attempt_that_is_overtaken_later_is_told_too(server: ApiServer, said: list[str]) -> None:
    one = publisher(server, said, quiet=0.05)
    assert one.begin(progress())
    newer = progress(1, attempt=3).to_json()
    server.somebody_writes(progress=newer)
    one.progress(progress(1))
    assert one.superseded.wait(5)
    assert server.data["progress"] == newer


def test_a_conflict_with_somebody_else_is_solved_by_looking_again(server: ApiServer, said: list[str]) -> None:
    one = publisher(server, said, quiet=0.05)
    assert one.begin(progress())
    server.somebody_writes(other="x")
    one.progress(progress(5))
    eventually(lambda: step_in(server) == 5)
    assert said == []


@pytest.mark.parametrize(("fault", "words"), [
    (403, "refused with 403; let the pod's service account get and patch this ConfigMap"),
    (404, "refused with 404; it is made by the operator before the training"),
    (422, "refused with 422; it is tried again"),
    (429, "no answer (HTTP 429: refused with 429); training goes on"),
    (500, "no answer (HTTP 500: refused with 500); training goes on"),
    ("hang", "no answer (TimeoutError: timed out); training goes on"),
])  # fmt: skip
def test_trouble_is_said_once_and_what_waited_is_written_afterwards(
    fault: int | str, words: str, server: ApiServer, said: list[str]
) -> None:
    server.fault = fault
    one = publisher(server, said, quiet=0.05, timeout=0.6)
    assert one.begin(progress(), patience=0.1), "it does not wait for a server in trouble"
    for step in range(1, 30):
        before = time.monotonic()
        one.progress(progress(step))
        assert time.monotonic() - before < 0.4, "the training is never held up"
        time.sleep(0.03)
    eventually(lambda: server.asked >= 3)
    assert len(said) == 1
    assert said[0].startswith("progress does not reach ConfigMap team/job-progress: ")
    assert words in said[0]
    server.fault = None
    eventually(lambda: step_in(server) == 29)
    eventually(lambda: len(said) > 1)
    assert said[1:] == ["progress reaches ConfigMap team/job-progress again"]


def test_a_report_outlives_a_server_that_is_gone_for_a_while(server: ApiServer, said: list[str]) -> None:
    one = publisher(server, said)
    assert one.begin(progress())
    server.stop()
    one.progress(progress(9, phase="finished"))
    eventually(lambda: len(said) == 1)
    server.start()
    assert one.finish(REPORT, patience=5)
    assert "report" in server.data
    assert step_in(server) == 9


def test_a_report_waits_longer_for_a_server_that_does_not_answer_than_for_one_that_refuses(
    server: ApiServer, said: list[str]
) -> None:
    one = publisher(server, said)
    assert one.begin(progress())
    server.stop()
    back = threading.Timer(1.0, server.start)
    back.start()
    assert one.finish(REPORT, patience=0.3, outage=10)
    assert "report" in server.data
    back.join()


@pytest.mark.parametrize("fault", [429, 500, 503])
def test_a_report_waits_as_long_for_a_server_that_cannot_answer_now(
    server: ApiServer, said: list[str], fault: int
) -> None:
    one = publisher(server, said)
    assert one.begin(progress())
    server.fault = fault
    back = threading.Timer(1.0, lambda: setattr(server, "fault", None))
    back.start()
    assert one.finish(REPORT, patience=0.3, outage=10)
    assert "report" in server.data
    back.join()


def test_a_report_that_does_not_arrive_is_given_up_and_said(server: ApiServer, said: list[str]) -> None:
    server.fault = 403
    one = publisher(server, said)
    one.begin(progress(), patience=0.1)
    before = time.monotonic()
    assert not one.finish(REPORT, patience=0.5)
    assert time.monotonic() - before < 2
    assert said[-1] == "the report did not reach ConfigMap team/job-progress; it is in the report's file"


def test_the_token_is_read_anew_because_it_rotates(server: ApiServer, said: list[str]) -> None:
    one = publisher(server, said)
    assert one.begin(progress())
    server.token.write_text("second\n")
    assert one.finish(REPORT)
    assert server.tokens[0] == "Bearer first"
    assert server.tokens[-1] == "Bearer second"
