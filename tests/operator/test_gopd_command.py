"""The gopd command as people use it: real processes, exit codes, messages; stand-ins in the images' place."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from tests.operator.golden_plans import EXAMPLES
from tests.operator.workplace import Workplace, lives, workplace

from gopd_api.requests import EvalRequest
from gopd_operator.shell.tracking_page import newest_runs


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workplace, subprocess.CompletedProcess[str]]:
    """A work directory with a job that was run to its end, and what the run said."""
    place = workplace(tmp_path_factory.mktemp("done"))
    place.write(place.spec())
    return place, place.run()


Done = tuple[Workplace, subprocess.CompletedProcess[str]]


def test_a_run_ends_with_its_result_where_things_are_and_what_to_type_next(done: Done) -> None:
    place, result = done
    assert (result.returncode, result.stderr) == (0, "")
    assert "before  │ 0.5 [0.4, 0.6]" in result.stdout
    assert "after   │ 0.53 [0.43, 0.63]" in result.stdout
    assert "after − before" in result.stdout and "+0.03 [0.01, 0.05]" in result.stdout
    folder = next((place.root / "jobs" / "default").glob("small-*"))
    for words in (
        f"comparison:  {folder}/evaluations/compare/comparison.json",
        f"its page:    {folder}/evaluations/compare/comparison.html",
        f"checkpoints: {folder}/checkpoints",
        f"student:     {folder}/exports/step-3",
        f"gopd compare small --workdir {place.root}",
        f'from_pretrained("{folder}/exports/step-3")',
    ):
        assert words in result.stdout
    assert "\x1b" not in result.stdout
    assert "step 3/3 · loss 0.3333" in result.stdout


def test_a_finished_job_says_so_and_shows_its_result_again(done: Done) -> None:
    place, _ = done
    place.write(place.spec())
    again = place.run()
    assert again.returncode == 0
    assert "small is finished already" in again.stdout and "after − before" in again.stdout
    assert place.trained() == [1, 2, 3]


def test_after_sigkill_of_the_run_the_same_command_goes_on(place: Workplace) -> None:
    place.behave(seconds=0.5)
    place.write(place.spec(evaluation={"tasks": []}, optimization={"batchSize": 2, "steps": 60}))
    arguments = ("run", str(place.spec_file), "--workdir", str(place.root))
    first = place.start(*arguments)
    wait_for(place.trained)
    orphan = psutil.Process(first.pid).children()[0]
    first.kill()
    first.communicate()
    place.behave()
    result = place.gopd(*arguments)
    assert result.returncode == 0
    assert "ended 1 processes that an interrupted run of small-" in result.stdout
    assert re.search(r"resumed from step \d", result.stdout)
    assert not lives(orphan)
    assert place.trained() == list(range(1, 61))


def test_ctrl_c_saves_and_says_how_to_go_on(place: Workplace) -> None:
    place.behave(seconds=0.4)
    place.write(place.spec(evaluation={"tasks": []}))
    process = place.start("run", str(place.spec_file), "--workdir", str(place.root))
    wait_for(place.trained)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (3, "")
    assert "saving, a second Ctrl-C kills" in out
    assert f"Go on, from step {place.trained()[-1]} with: gopd run {place.spec_file} --workdir {place.root}\n" in out


def test_a_second_ctrl_c_kills_everything_at_once(place: Workplace) -> None:
    place.behave(seconds=0.3, slow_to_save=True, daemon=True)
    place.write(place.spec(evaluation={"tasks": []}))
    process = place.start("run", str(place.spec_file), "--workdir", str(place.root))
    wait_for(place.trained)
    child = psutil.Process(process.pid).children()[0]
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3 and "stopped at train" in out
    assert not lives(child)
    assert place.daemon_is_gone()


def test_a_missing_model_is_told_with_the_command_that_makes_it(place: Workplace) -> None:
    place.write(place.spec(student={"model": "models/absent"}))
    result = place.run()
    assert result.returncode == 1
    folder = place.root / "models" / "absent"
    assert result.stderr == f"spec.student.model: no folder {folder}; make it with `python make_inputs.py`\n"
    assert not (place.root / "jobs").exists()


def test_every_example_is_valid() -> None:
    files = [str(example) for example in EXAMPLES]
    result = subprocess.run(
        [sys.executable, "-m", "gopd_operator.shell.main", "validate", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert result.stdout.count(": valid (") == len(files)


def test_a_wrong_field_is_told_on_one_line_with_exit_code_1(place: Workplace) -> None:
    document = place.spec()
    document["spec"]["teachers"][0]["rewardScal"] = 1.25
    place.spec_file.write_text(yaml.safe_dump(document))
    result = place.gopd("validate", str(place.spec_file))
    assert result.returncode == 1
    line = result.stdout.strip()
    assert "\n" not in line
    assert (
        line.startswith(f"{place.spec_file}: spec.teachers[0].rewardScal: ")
        and "rewardScale" in line.partition("; ")[2]
    )
    run = place.run()
    assert run.returncode == 1 and "spec.teachers[0].rewardScal" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_a_plan_holds_requests_and_verl_options_and_touches_nothing(place: Workplace, output: str) -> None:
    place.write(place.spec())
    before = sorted(place.root.rglob("*"))
    result = place.gopd("plan", str(place.spec_file), "--workdir", str(place.root), "-o", output)
    plan = (json.loads if output == "json" else yaml.safe_load)(result.stdout)
    assert [step["name"] for step in plan["steps"]] == ["evaluate-start", "train", "evaluate-end", "compare"]
    assert plan["steps"][1]["request"]["teachers"][0]["rewardScale"] == 1.25
    assert plan["verlOptions"] == {"train": ["trainer.total_training_steps=3"]}
    assert plan["trainings"][0]["totalSteps"] == 3 and plan["trainings"][0]["mostTokens"] == 3 * 2 * 64
    assert sorted(place.root.rglob("*")) == before


def test_a_plan_for_people_says_the_size_of_the_training(place: Workplace) -> None:
    place.write(place.spec())
    result = place.gopd("plan", str(place.spec_file), "--workdir", str(place.root))
    assert "3 steps of 2 answers, at most 384 tokens; 3 processes: 1 for the student, 2 for teachers" in result.stdout
    assert "models/student learns from wise at reward scale 1.25" in result.stdout


def test_runs_are_compared_paired_and_by_name(done: Done, tmp_path: Path) -> None:
    place, _ = done
    job = next((place.root / "jobs" / "default").glob("small-*"))
    copy = tmp_path / "other-12345678"
    shutil.copytree(job, copy)
    request_file = copy / "evaluations" / "compare" / "request.json"
    request = EvalRequest.read(request_file.read_text())
    after = request.subjects[-1].model_copy(update={"model": "/another/export"})
    request = request.model_copy(update={"subjects": [*request.subjects[:-1], after]})
    request_file.write_text(request.to_json())
    answer = request_file.with_name("comparison.json")
    answer.write_text(json.dumps(json.loads(answer.read_text()) | {"requestDigest": request.digest()}))
    result = place.gopd("compare", "small", str(copy), "--workdir", str(place.root), "-o", "json")
    comparison = json.loads(result.stdout)
    assert comparison["baseline"] == "before"
    assert [one["subject"] for one in comparison["differences"]] == ["wise", "small-after", "other-after"]


def test_a_report_alone_is_shown_and_an_unknown_run_is_refused_with_those_there_are(done: Done) -> None:
    place, _ = done
    own = place.gopd("compare", "small", "--workdir", str(place.root), "-o", "json")
    assert json.loads(own.stdout)["baseline"] == "before"
    told = place.gopd("compare", "small", "--workdir", str(place.root)).stdout
    assert re.search(r"^page: .*/small-[^/]*/evaluations/compare/comparison.html$", told, re.MULTILINE)
    file = next((place.root / "jobs" / "default").glob("small-*/evaluations/evaluate-end/report.json"))
    lonely = place.root / "lonely.json"
    lonely.write_text(file.read_text())
    alone = place.gopd("compare", str(lonely), "--workdir", str(place.root))
    assert alone.returncode == 0 and "after   │ 0.53" in alone.stdout
    assert "no paired differences: a result file without its request beside it" in alone.stdout
    unknown = place.gopd("compare", "nothing", "--workdir", str(place.root))
    assert unknown.returncode == 1 and "there is no job nothing in" in unknown.stderr
    assert "small" in unknown.stderr.rpartition("there are: ")[2]


def test_the_page_of_an_empty_work_directory_is_refused(place: Workplace) -> None:
    result = place.gopd("ui", "--workdir", str(place.root))
    assert result.returncode == 1
    assert "nothing has been recorded in" in result.stderr


def test_the_page_opens_where_the_newest_runs_are(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    assert newest_runs(file) == "", "no file"
    with sqlite3.connect(file) as recorded:
        assert newest_runs(file) == "", "no tables"
        recorded.execute("CREATE TABLE runs (experiment_id INTEGER, start_time INTEGER)")
        assert newest_runs(file) == "", "no runs"
        recorded.executemany("INSERT INTO runs VALUES (?, ?)", [(1, 10), (7, 30), (2, 20)])
    assert newest_runs(file) == "/#/experiments/7/runs"


def test_a_taken_port_is_refused(place: Workplace) -> None:
    (place.root / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = place.gopd("ui", "--workdir", str(place.root), "--port", port)
    assert result.returncode == 1
    assert f"port {port} is taken by another program; choose another with --port" in result.stderr


def test_the_command_starts_without_the_heavy_libraries() -> None:
    script = (
        "import sys, gopd_operator.shell.main\n"
        "print(sorted({'torch', 'mlflow', 'transformers', 'kopf'} & set(sys.modules)))"
    )
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert result.stdout == "[]\n"
    assert time.monotonic() - started < 5  # a bound for noisy machines; it takes 0.4 s


def test_the_version_is_that_of_the_types(place: Workplace) -> None:
    assert place.gopd("version").stdout == "gopd 0.1.0\n"


def test_an_eval_job_measures_the_best_checkpoint_of_a_job(done: Done) -> None:
    place, _ = done
    ours = {"name": "ours", "distillationJob": {"name": "small", "checkpoint": "best"}}
    spec = {
        "subjects": [{"name": "start", "model": "models/student"}, ours],
        "tasks": [{"benchmark": "math", "data": "data/heldout.jsonl"}],
        "compute": {"accelerator": "cpu"},
    }
    place.write({"apiVersion": "gopd.io/v1alpha1", "kind": "EvalJob", "metadata": {"name": "check"}, "spec": spec})
    result = place.run()
    assert result.returncode == 0, result.stderr
    file = next((place.root / "jobs" / "default").glob("check-*/evaluations/compare/request.json"))
    assert Path(json.loads(file.read_text())["subjects"][1]["model"]).name == "step-3"
