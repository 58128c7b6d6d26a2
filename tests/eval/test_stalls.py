"""A command that hangs: it is ended, says so, and goes on from what was finished."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gopd_api.endings import Ending
from gopd_api.reports import EvalReport
from gopd_eval.shell import stalls
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.stalls import StallGuard

from .conftest import RequestMaker, Run

HANGS = """
import time
from gopd_eval.shell.cli import main
from gopd_eval.shell.transformers_engine import TransformersEngine
draw = TransformersEngine.generate
def hang_after_two(self, draws, beat):
    for count, drawn in enumerate(draw(self, draws, beat)):
        if count == 2:
            time.sleep(600)
        yield drawn
TransformersEngine.generate = hang_after_two
main()
"""

ENDED = 7
"""Exit code of a process that the guard has ended."""


def test_an_engine_that_hangs_ends_the_command_and_the_next_one_goes_on(
    make_request: RequestMaker, run: Run, tmp_path: Path
) -> None:
    request, log, path = make_request(), tmp_path / "log", tmp_path / "request.json"
    path.write_text(request.to_json())
    options = ["--request", str(path), "--summary", str(log), "--subject", "0", "--stall-after", "5"]
    ended = subprocess.run(
        [sys.executable, "-c", HANGS, "generate", *options], capture_output=True, text=True, check=False, timeout=100
    )
    assert ended.returncode == 4, ended.stderr
    assert "in hang_after_two" in ended.stderr, "where it stood is told"
    words = "sampling.batchSize: no sign of life for"
    assert words in ended.stderr
    ending = Ending.model_validate_json(log.read_text())
    assert (ending.outcome, ending.reason) == ("failed", "Stalled")
    assert ending.message.startswith(words)
    report = EvalReport.model_validate_json(Path(request.paths.report).read_text())
    assert (report.outcome, report.reason) == ("failed", "Stalled")
    records = Path(request.paths.store).glob("generations/*/records.jsonl")
    assert sum(len(one.read_text().splitlines()) for one in records) == 2

    assert run("generate", request).returncode == 0
    assert run("grade", request).returncode == 0


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "progress.json", "sha256:" + "0" * 64)


def begin(watch: Watch, seconds: float, pause: float, *, loading: bool = False, patience: float = 0.6) -> int:
    """Start a process that gives a sign of life after each pause."""
    child = os.fork()
    if child == 0:
        with StallGuard(watch, patience, lambda _: None, ENDED):
            watch.at("loading" if loading else "generating")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(pause)
                watch.beat()
        os._exit(0)
    return child


def code_of(child: int) -> int:
    """The exit code of the process: ENDED after a stall."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_silence_ends_the_process(watch: Watch) -> None:
    assert code_of(begin(watch, 20, 20)) == ENDED


def test_last_words_that_hang_or_fail_do_not_keep_it_alive(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LAST_WORDS_SECONDS", 0.5)

    def fail(_: float) -> None:
        raise BrokenPipeError

    for last_words in (lambda _: time.sleep(600), fail):
        child = os.fork()
        if child == 0:
            with StallGuard(watch, 0.6, last_words, ENDED):
                watch.at("generating")
                time.sleep(20)
            os._exit(0)
        assert code_of(child) == ENDED


def test_work_that_takes_longer_than_the_patience_goes_on_as_long_as_it_gives_signs(watch: Watch) -> None:
    assert code_of(begin(watch, 4, 0.05, patience=2.0)) == 0


def test_loading_takes_longer_than_a_step(watch: Watch) -> None:
    assert code_of(begin(watch, 1.8, 1.8, loading=True)) == 0
    assert code_of(begin(watch, 20, 20, loading=True)) == ENDED


def test_a_process_that_was_suspended_was_not_silent_meanwhile(watch: Watch, tmp_path: Path) -> None:
    child = begin(watch, 3, 3.2, patience=2.0)
    while not (tmp_path / "progress.json").exists():
        time.sleep(0.01)
    time.sleep(0.7)  # the guard has looked once
    os.kill(child, signal.SIGSTOP)
    time.sleep(2.2)
    os.kill(child, signal.SIGCONT)
    assert code_of(child) == 0
