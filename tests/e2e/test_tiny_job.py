"""The main job as a person runs it: `gopd run`, killed whole in the middle, the same command again, its results."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from gopd_api.reports import Comparison

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "tiny.yaml"
GOPD = [str(Path(sys.executable).with_name("gopd"))]
STEPS = 10
PATIENCE = 900

pytestmark = pytest.mark.timeout(1800)


def command(workdir: Path) -> list[str]:
    return [*GOPD, "run", str(EXAMPLE), "--workdir", str(workdir)]


def descendants(workdir: Path) -> list[psutil.Process]:
    """Every process that works in the job's folder: children and Ray's daemons, which leave the tree."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(workdir) in process.environ().get("GOPD_JOB_FOLDER", ""):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_for_step(workdir: Path, step: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for path in workdir.glob("jobs/default/tiny-*/progress.json"):
            if json.loads(path.read_text(encoding="utf-8"))["step"] >= step:
                return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    raise TimeoutError(f"step {step} was not reached in {PATIENCE} s")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A work directory where the tiny job was killed at step 6 or later and then finished, and what was printed."""
    workdir = tmp_path_factory.mktemp("runs")
    made = subprocess.run(
        [sys.executable, "-m", "examples.tiny_inputs", "--workdir", str(workdir)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    first = subprocess.Popen(command(workdir), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for_step(workdir, 6, first)
    tree = descendants(workdir)
    os.kill(first.pid, signal.SIGKILL)
    for process in tree:
        process.send_signal(signal.SIGKILL)
    first.communicate()
    again = subprocess.run(command(workdir), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    return workdir, again.stdout


def test_the_second_command_resumes_and_prints_the_comparison(finished: tuple[Path, str]) -> None:
    workdir, output = finished
    assert "resumed from step 5" in output
    report = json.loads(next(workdir.glob("jobs/default/tiny-*/report.json")).read_text(encoding="utf-8"))
    assert (report["resumedFrom"], report["step"]) == (5, STEPS)
    for name in ("before", "after", "algebra", "coder", "gopd ui"):
        assert name in output
    assert descendants(workdir) == []


def test_mlflow_has_one_run_one_point_a_step_and_the_comparison(finished: tuple[Path, str]) -> None:
    workdir, _ = finished
    client = MlflowClient(f"sqlite:///{workdir}/mlflow.db")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert len(runs) == 1
    (run,) = runs
    assert run.info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "kl/teacher")]
    assert sorted(steps) == list(range(1, STEPS + 1))
    evaluated = [point.step for point in client.get_metric_history(run.info.run_id, "eval/kl-to-teacher/kl")]
    assert sorted(evaluated) == [0, STEPS]
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"train-request.json", "train-report.json"} <= names


def test_the_comparison_is_paired_and_the_teacher_is_at_zero(finished: tuple[Path, str]) -> None:
    workdir, _ = finished
    path = next(workdir.glob("jobs/default/tiny-*/evaluations/compare/comparison.json"))
    comparison = Comparison.model_validate_json(path.read_text(encoding="utf-8"))
    kl = {score.subject: score for score in comparison.scores if score.metric == "kl"}
    assert kl["algebra"].value == 0
    assert kl["before"].value > 0
    after = next(one for one in comparison.differences if (one.subject, one.metric) == ("after", "kl"))
    assert after.baseline == "before"
    assert after.pairs == 16
    assert after.ci_low is not None
    assert after.ci_high is not None
    assert after.ci_low < after.difference < after.ci_high
    assert after.difference == pytest.approx(kl["after"].value - kl["before"].value, abs=1e-9)


def test_a_finished_job_says_so_at_once(finished: tuple[Path, str]) -> None:
    workdir, _ = finished
    begun = time.monotonic()
    again = subprocess.run(command(workdir), capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0
    assert time.monotonic() - begun < 60
    assert "after" in again.stdout
