"""The commands as real processes: to the end, killed and run again, stopped, and on bad input."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gopd_api.reports import Comparison, EvalProgress, EvalReport
from gopd_api.requests import EvalRequest

from .conftest import RequestMaker, Run, start


def records(request: EvalRequest, kind: str = "generations") -> dict[str, bytes]:
    found = sorted((Path(request.paths.store) / kind).glob("*/records.jsonl"))
    return {path.parent.name: path.read_bytes() for path in found}


def test_generate_grade_and_compare_give_every_score_with_its_interval(
    make_request: RequestMaker, run: Run, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    request = make_request(tracking={"uri": uri, "experiment": "test", "runName": "run"})
    for command in ("generate", "grade", "compare"):
        ended = run(command, request)
        assert ended.returncode == 0, ended.stderr
    report = EvalReport.model_validate_json(Path(request.paths.report).read_text())
    comparison = Comparison.model_validate_json(Path(request.paths.comparison).read_text())
    assert report.outcome == "succeeded"
    assert report.request_digest == comparison.request_digest == request.digest()
    assert report.scores == comparison.scores
    scores = {(s.subject, s.task, s.metric): s for s in report.scores}
    assert {m for _, task, m in scores if task == "sums"} == {"avg@2", "pass@2", "response_tokens", "truncated"}
    assert {m for _, task, m in scores if task == "kl"} == {"kl", "response_tokens", "truncated"}
    counts = scores["student", "sums", "avg@2"].counts
    assert counts is not None and counts.samples == 16
    assert scores["teacher", "kl", "kl"].value == 0
    assert scores["student", "kl", "kl"].value > 0.1
    kl = next(d for d in comparison.differences if d.metric == "kl")
    assert (kl.subject, kl.verdict, kl.pairs) == ("teacher", "better", 8)
    assert "Differences from student" in ended.stdout
    recorded = MlflowClient(uri).search_runs([MlflowClient(uri).get_experiment_by_name("test").experiment_id])[0]
    assert recorded.data.metrics["eval/kl/kl"] == pytest.approx(scores["student", "kl", "kl"].value)
    assert recorded.data.metrics["eval/kl/kl/teacher"] == 0
    assert "eval/sums/avg_at_2_ci_high" in recorded.data.metrics
    progress = EvalProgress.model_validate_json(Path(request.paths.progress).read_text())
    assert progress.phase == "finished"


def test_a_run_killed_at_any_moment_goes_on_to_the_same_answers(
    make_request: RequestMaker, run: Run, tmp_path: Path
) -> None:
    sampling = {"maxResponseTokens": 60, "batchSize": 1}
    undisturbed = make_request(sampling=sampling)
    assert run("generate", undisturbed).returncode == 0
    killed = make_request(
        sampling=sampling, paths={**undisturbed.paths.model_dump(), "store": str(tmp_path / "store of the killed")}
    )
    process = start("generate", killed, tmp_path)
    deadline = time.monotonic() + 90
    while not any(content.count(b"\n") >= 3 for content in records(killed).values()):
        assert time.monotonic() < deadline
        assert process.poll() is None, "it must be killed before it ends"
        time.sleep(0.005)
    process.kill()
    process.communicate()
    before = records(killed)
    assert sum(content.count(b"\n") for content in before.values()) < 48
    torn = next(iter((Path(killed.paths.store) / "generations").glob("*/records.jsonl")))
    with torn.open("ab") as file:
        file.write(b'{"problem": "000003-')
    assert run("generate", killed).returncode == 0
    assert records(killed) == records(undisturbed)
    assert records(killed, "divergences").keys() == records(undisturbed, "divergences").keys()


def test_nothing_is_drawn_twice(make_request: RequestMaker, run: Run) -> None:
    request = make_request()
    assert run("generate", request).returncode == 0
    before = records(request)
    shutil.rmtree(Path(request.subjects[0].model) / "nothing", ignore_errors=True)
    assert run("generate", request).returncode == 0
    assert records(request) == before


def test_sigterm_stops_after_writing_and_the_same_command_goes_on(
    make_request: RequestMaker, run: Run, tmp_path: Path
) -> None:
    request = make_request(sampling={"maxResponseTokens": 60, "batchSize": 1})
    process = start("generate", request, tmp_path)
    deadline = time.monotonic() + 90
    while not any(records(request).values()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "stopped by SIGTERM; give the same command again to go on" in err
    assert all(content.endswith(b"\n") for content in records(request).values() if content)
    assert run("generate", request).returncode == 0


def test_a_tracker_that_is_down_is_a_warning(make_request: RequestMaker, run: Run) -> None:
    uri = "http://127.0.0.1:9"
    request = make_request(tracking={"uri": uri, "experiment": "test", "runName": "run"})
    for command in ("generate", "grade"):
        assert run(command, request).returncode == 0
    ended = run("compare", request)
    assert ended.returncode == 0
    assert "warning: tracking.uri: not everything was recorded" in ended.stderr
    assert Path(request.paths.comparison).exists()


BAD = [
    ("subjects", [{"name": "student", "model": "/nowhere"}], "subjects[0].model: there is no folder /nowhere"),
    ("baseline", "nobody", "baseline: there is no subject nobody; name one of: student, teacher"),
    ("data", "", "holds no problems; give a file with one JSON object a line"),
    ("data", '{"prompt": "1+1?"}\n', "tasks[0].data: line 1 of"),
    ("data", '{"problem": "1+1?", "answer": 2}\n', "has no `prompt` (it has: problem, answer)"),
    ("data", "not json\n", "is not JSON"),
    ("teacher", "stranger", "tasks[1].teacher: the tokenizers differ (student's has 320 tokens, the teacher's 300)"),
    ("tokenizer", "", "holds no tokenizer; save the tokenizer into the model's folder"),
    ("weights", "", "holds no weights; put *.safetensors into the folder"),
    ("accelerator", "gpu", "accelerator: gpu needs vllm, which is not installed"),
]


@pytest.mark.parametrize(("kind", "value", "message"), BAD, ids=[f"{kind} {number}" for number, (kind, _, _) in enumerate(BAD)])
def test_bad_input_is_one_sentence_with_field_fault_and_remedy(
    kind: str, value: object, message: str, make_request: RequestMaker, run: Run, tiny: dict[str, Path], tmp_path: Path
) -> None:
    request = make_request()
    given = request.model_dump()
    if kind in ("tokenizer", "weights"):
        folder = shutil.copytree(tiny["student"], tmp_path / "broken")
        for name in ("tokenizer.json",) if kind == "tokenizer" else ("model.safetensors",):
            (folder / name).unlink()
        given["subjects"][0]["model"] = str(folder)
    elif kind == "data":
        Path(request.tasks[0].data).write_text(str(value))
    elif kind == "teacher":
        given["tasks"] = [given["tasks"][0], {**given["tasks"][1], "teacher": str(tiny["stranger"])}]
    else:
        given[kind] = value
    ended = run("generate", EvalRequest.model_validate(given))
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip().splitlines()[-1].count("; ") >= 1
    report = EvalReport.model_validate_json(Path(request.paths.report).read_text())
    assert (report.outcome, message in report.message) == ("failed", True)


@pytest.mark.parametrize("content", ["{", '{"version": "gopd.io/eval/v9"}', None])
def test_a_request_that_is_not_understood_ends_with_2(content: str | None, tmp_path: Path, make_request: RequestMaker) -> None:
    process = start("generate", make_request(), tmp_path)
    process.kill()
    process.communicate()
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    import subprocess
    import sys

    ended = subprocess.run(
        [sys.executable, "-m", "gopd_eval", "generate", "--request", str(path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1


def test_grading_before_generating_says_what_to_do_first(make_request: RequestMaker, run: Run) -> None:
    ended = run("grade", make_request())
    assert ended.returncode == 1
    assert "run generate with this request first" in ended.stderr


def test_a_full_disk_loses_nothing_that_was_finished(make_request: RequestMaker, run: Run, tmp_path: Path) -> None:
    request = make_request(sampling={"maxResponseTokens": 60, "batchSize": 4})
    path = tmp_path / "request.json"
    path.write_text(request.to_json())
    import subprocess
    import sys

    ended = subprocess.run(  # no file may grow beyond 4 KiB
        ["bash", "-c", 'ulimit -f 4 && exec "$0" -m gopd_eval generate --request "$1"', sys.executable, str(path)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "paths.store: the disk is full" in ended.stderr
    assert run("generate", request).returncode == 0
    lines = [json.loads(line) for content in records(request).values() for line in content.splitlines()]
    assert len(lines) == 2 * (16 + 8)
