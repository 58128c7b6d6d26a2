"""The commands in pods: a process a subject into one store, an ending for each, grading with little at hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from gopd_api.endings import Ending
from gopd_api.requests import EvalRequest

from .conftest import RequestMaker, Run, start


def ending(path: Path, request: EvalRequest) -> Ending:
    text = path.read_text()
    assert len(text.encode()) <= 4096
    read = Ending.model_validate_json(text)
    assert read.request_digest == request.digest()
    return read


def test_subjects_drawn_at_the_same_time_are_graded_and_compared_together(
    make_request: RequestMaker, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request()
    logs = [tmp_path / f"log-{number}" for number in range(2)]
    pods = [
        start("generate", request, tmp_path, "--subject", str(number), "--summary", str(log))
        for number, log in enumerate(logs)
    ]
    assert [pod.communicate(timeout=120)[1] for pod in pods] == ["", ""]
    assert [pod.returncode for pod in pods] == [0, 0]
    assert [ending(log, request).outcome for log in logs] == ["succeeded", "succeeded"]

    monkeypatch.setenv("HOME", "/nonexistent")
    assert run("grade", request, "--summary", str(logs[0])).returncode == 0
    graded = ending(logs[0], request)
    assert {(score.subject, score.metric, score.step) for score in graded.scores if score.better == "higher"} >= {
        ("student", "avg@2", 0),
        ("teacher", "avg@2", None),
    }
    assert graded.left_out == 0
    assert [score.better for score in graded.scores] == sorted([s.better for s in graded.scores], key="neither".__eq__)
    assert run("compare", request, "--summary", str(logs[1])).returncode == 0
    assert ending(logs[1], request).scores == graded.scores


def test_only_the_asked_subject_is_looked_at(make_request: RequestMaker, run: Run, tmp_path: Path) -> None:
    given = make_request().model_dump()
    given["subjects"].append({"name": "later", "model": "/not/there/yet"})
    request = EvalRequest.model_validate(given)
    assert run("generate", request, "--subject", "0").returncode == 0
    log = tmp_path / "log"
    ended = run("grade", request, "--summary", str(log))
    assert ended.returncode == 1
    told = ending(log, request)
    assert (told.outcome, told.reason) == ("failed", "NotGenerated")
    assert "teacher.json is not there; run generate with this request first" in told.message


@pytest.mark.parametrize("number", ["3", "-1"])
def test_a_subject_that_there_is_not_is_refused_with_the_names(
    number: str, make_request: RequestMaker, run: Run, tmp_path: Path
) -> None:
    request, log = make_request(), tmp_path / "log"
    ended = run("generate", request, "--subject", number, "--summary", str(log))
    assert ended.returncode == 1
    words = f"--subject: there is no subject of index {number}; give one of: 0 (student), 1 (teacher)"
    assert words in ended.stderr
    assert (ending(log, request).reason, ending(log, request).message) == ("InvalidInput", words)


def test_a_stop_and_a_request_that_cannot_be_read_leave_an_ending_too(
    make_request: RequestMaker, tmp_path: Path
) -> None:
    request, log = make_request(sampling={"maxResponseTokens": 200, "batchSize": 1}), tmp_path / "log"
    process = start("generate", request, tmp_path, "--summary", str(log))
    while not list(Path(request.paths.store).glob("generations/*/records.jsonl")):
        assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert (ending(log, request).outcome, ending(log, request).reason) == ("stopped", "Terminated")

    path = tmp_path / "broken.json"
    path.write_text("{")
    command = [sys.executable, "-m", "gopd_eval", "grade", "--request", str(path), "--summary", str(log)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert Ending.model_validate_json(log.read_text()).reason == "InvalidRequest"


def test_a_summary_that_cannot_be_written_changes_no_end(make_request: RequestMaker, run: Run) -> None:
    ended = run("grade", make_request(), "--summary", "/nonexistent/log")
    assert ended.returncode == 1
    assert "--summary: /nonexistent/log cannot be written (No such file or directory)" in ended.stderr


def test_grading_needs_no_engine_and_no_tracking() -> None:
    heavy = ["mlflow", "torch", "transformers", "ray", "vllm", "requests", "huggingface_hub"]
    program = f"import gopd_eval.shell.cli, gopd_eval.shell.grade, sys; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
