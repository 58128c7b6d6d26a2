"""The commands as real processes: to the end, disturbed and run again, and on bad input."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gopd_api.reports import Comparison, EvalProgress, EvalReport
from gopd_api.requests import EvalRequest, TrackingRequest
from gopd_eval.shell import publish
from gopd_eval.shell.compare import compare
from gopd_eval.shell.generate import generate
from gopd_eval.shell.progress import Watch

from .conftest import RequestMaker, Run, start


def records(request: EvalRequest, kind: str = "generations") -> dict[str, bytes]:
    found = sorted((Path(request.paths.store) / kind).glob("*/records.jsonl"))
    return {path.parent.name: path.read_bytes() for path in found}


def finished(request: EvalRequest) -> int:
    return sum(content.count(b"\n") for content in records(request).values())


def test_generate_grade_and_compare_give_every_score_with_its_interval(
    make_request: RequestMaker,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    request = make_request(tracking={"uri": uri, "experiment": "test", "runName": "run"})
    for command in ("generate", "grade"):
        ended = run(command, request)
        assert (ended.returncode, ended.stderr) == (0, "")
    compared = run("compare", request)
    assert compared.returncode == 0, compared.stderr
    assert "Differences from student" in compared.stdout
    comparison = check_results(request)
    recorded = MlflowClient(uri).search_runs([MlflowClient(uri).get_experiment_by_name("test").experiment_id])[0]
    kl = next(s for s in comparison.scores if (s.subject, s.metric) == ("student", "kl"))
    assert recorded.data.metrics["eval/kl/kl"] == pytest.approx(kl.value)
    assert recorded.data.metrics["eval/kl/kl/teacher"] == 0
    assert "eval/sums/avg_at_2_ci_high" in recorded.data.metrics
    artifacts = {a.path for a in MlflowClient(uri).list_artifacts(recorded.info.run_id, "evaluations/end")}
    files = ("request.json", "report.json", "comparison.json", "comparison.md", "comparison.html")
    assert artifacts == {f"evaluations/end/{name}" for name in (*files, *TABLES)}
    assert f"page: {request.paths.page}" in compared.stdout
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # `load_table` asks the default address, whatever its client's is
    check_tables(MlflowClient(uri), recorded, Path(request.paths.page).read_text(), comparison)

    before = records(request)
    assert run("generate", request).returncode == 0
    assert records(request) == before, "nothing is drawn twice"

    monkeypatch.setattr(publish, "CLOSE_SECONDS", 1.0)
    down = request.model_copy(
        update={"tracking": TrackingRequest(uri="http://127.0.0.1:9", experiment="t", run_name="r")}
    )
    shutil.copytree(index_of(request), index_of(down))
    assert compare(down, Watch(tmp_path / "progress.json", down.digest())).differences == comparison.differences
    assert "warning: tracking.uri: not everything was recorded" in capsys.readouterr().err


TABLES = ("scores.json", "differences.json", "samples.json")


def check_tables(client: MlflowClient, recorded: Any, page: str, comparison: Comparison) -> None:
    """The page has what the comparison has, and MLflow shows it as tables."""
    kl = next(one for one in comparison.differences if one.metric == "kl")
    assert f'data-value="{kl.difference!r}"' in page
    assert page.count("<article>") == 6, "six of eight problems are shown"
    scores, differences, samples = (
        client.load_table(recorded.info.experiment_id, f"evaluations/end/{name}", [recorded.info.run_id])
        for name in TABLES
    )
    # pandas reads the last bits of a number otherwise than it was written.
    assert list(scores["value"]) == pytest.approx([score.value for score in comparison.scores], rel=1e-12)
    assert list(differences["p_value"]) == pytest.approx([one.p_value for one in comparison.differences], rel=1e-12)
    assert len(samples) == 6 * 2 * 2 and set(samples["subject"]) == {"student", "teacher"}
    assert all(text in page for text in samples["verdict"].str.replace("_", " "))


def index_of(request: EvalRequest) -> Path:
    return Path(request.paths.store) / "requests" / f"{request.digest().removeprefix('sha256:')}"


def check_results(request: EvalRequest) -> Comparison:
    report = EvalReport.model_validate_json(Path(request.paths.report).read_text())
    comparison = Comparison.model_validate_json(Path(request.paths.comparison).read_text())
    assert report.outcome == "succeeded"
    assert report.request_digest == comparison.request_digest == request.digest()
    assert report.scores == comparison.scores
    scores = {(s.subject, s.task, s.metric): s for s in report.scores}
    assert {m for _, task, m in scores if task == "sums"} == {
        "avg@2", "pass@2", "maj@2", "response_tokens", "truncated", "no_answer",
    }  # fmt: skip
    assert {m for _, task, m in scores if task == "kl"} == {"kl", "response_tokens", "truncated"}
    counts = scores["student", "sums", "avg@2"].counts
    assert counts is not None
    assert counts.samples == 16
    assert scores["teacher", "kl", "kl"].value == 0
    assert scores["student", "kl", "kl"].value > 0.1
    check_setting(comparison, request)
    kl = next(d for d in comparison.differences if d.metric == "kl")
    assert (kl.subject, kl.verdict, kl.pairs) == ("teacher", "better", 8)
    assert EvalProgress.model_validate_json(Path(request.paths.progress).read_text()).phase == "finished"
    return comparison


def check_setting(comparison: Comparison, request: EvalRequest) -> None:
    setting = comparison.setting
    assert setting is not None
    assert [(task.name, task.problems, task.samples) for task in setting.tasks] == [("sums", 8, 2), ("kl", 8, 1)]
    assert setting.tasks[0].drawing["maxResponseTokens"] == 12
    assert "math-verify" in setting.versions
    digests = [subject.model_digest for subject in setting.subjects]
    assert len(set(digests)) == 2 and all(one and one.startswith("sha256:") for one in digests)
    score = next(score for score in comparison.scores if score.task == "sums")
    assert (score.ids_digest, score.data_digest) == (setting.tasks[0].ids_digest, setting.tasks[0].data_digest)


def test_a_run_that_is_disturbed_in_every_way_ends_with_the_same_answers(
    make_request: RequestMaker, tmp_path: Path
) -> None:
    parts = {
        "sampling": {"maxResponseTokens": 60, "batchSize": 1},
        "subjects": make_request().model_dump()["subjects"][:1],
    }
    undisturbed = make_request(**parts)
    generate(undisturbed, Watch(tmp_path / "progress.json", undisturbed.digest()))
    elsewhere = {**undisturbed.paths.model_dump(), "store": str(tmp_path / "another store")}
    disturbed = make_request(**parts, paths=elsewhere)

    fill_the_disk(disturbed, tmp_path)
    process = start("generate", disturbed, tmp_path)
    wait_for_more(disturbed, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "stopped by SIGTERM; give the same command again to go on" in err
    assert all(content.endswith(b"\n") for content in records(disturbed).values() if content)

    process = start("generate", disturbed, tmp_path)
    wait_for_more(disturbed, process)
    process.kill()
    process.communicate()
    torn = next(iter((Path(disturbed.paths.store) / "generations").glob("*/records.jsonl")))
    with torn.open("ab") as file:
        file.write(b'{"problem": "000003-')

    assert finished(disturbed) < finished(undisturbed) == 16 + 8, "it was always disturbed before its end"
    generate(disturbed, Watch(tmp_path / "progress.json", disturbed.digest()))
    assert records(disturbed) == records(undisturbed)
    assert records(disturbed, "divergences") == records(undisturbed, "divergences")


def fill_the_disk(request: EvalRequest, folder: Path) -> None:
    """Run it where no file may grow beyond 2 KiB."""
    path = folder / "request.json"
    path.write_text(request.to_json())
    ended = subprocess.run(
        ["bash", "-c", 'ulimit -f 2 && exec "$0" -m gopd_eval generate --request "$1"', sys.executable, str(path)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "paths.store: the disk is full" in ended.stderr
    assert "finished answers are kept" in ended.stderr
    assert finished(request) > 0


def wait_for_more(request: EvalRequest, process: subprocess.Popen[str]) -> None:
    """Wait until the process has written two more answers."""
    before, deadline = finished(request), time.monotonic() + 90
    while finished(request) < before + 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it must be disturbed before it ends"
        time.sleep(0.005)


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
    ("torn weights", "", "subjects[0].model: the model in"),
    ("data", '{"prompt": "1+1?", "answer": 2}\n{"prompt": "1+', "tasks[0].data: line 2 of"),
    ("accelerator", "gpu", "accelerator: gpu needs vllm, which is not installed"),
]


@pytest.mark.parametrize(
    ("kind", "value", "message"), BAD, ids=[f"{kind} {number}" for number, (kind, _, _) in enumerate(BAD)]
)
def test_bad_input_is_one_sentence_with_field_fault_and_remedy(
    kind: str, value: object, message: str, make_request: RequestMaker, run: Run, tiny: dict[str, Path], tmp_path: Path
) -> None:
    request = make_request()
    given = request.model_dump()
    if kind == "torn weights":
        folder = shutil.copytree(tiny["student"], tmp_path / "broken")
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4096])
        given["subjects"][0]["model"] = str(folder)
    elif kind in ("tokenizer", "weights"):
        folder = shutil.copytree(tiny["student"], tmp_path / "broken")
        for name in ("tokenizer.json",) if kind == "tokenizer" else ("model.safetensors",):
            (folder / name).unlink()
        given["subjects"][0]["model"] = str(folder)
    elif kind == "data":
        Path(str(request.tasks[0].data)).write_text(str(value))
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
def test_a_request_that_is_not_understood_ends_with_2(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    command = [sys.executable, "-m", "gopd_eval", "generate", "--request", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1


def test_grading_before_generating_says_what_to_do_first(make_request: RequestMaker, run: Run) -> None:
    ended = run("grade", make_request())
    assert ended.returncode == 1
    assert "run generate with this request first" in ended.stderr
