"""Processes of their own: killed ones, and two at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from gopd_tracking import Tracker
from gopd_tracking.spool import Spool


def read_until(process: subprocess.Popen[str], line: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for text in process.stdout:
        lines.append(text.strip())
        if lines[-1] == line:
            return lines
    raise AssertionError("\n".join(lines))


def test_a_killed_attempt_goes_on_in_the_same_run_with_one_point_a_step(store: Any, attempt: Any) -> None:
    process = attempt(store, "job-1", first=1, last=1000, pause=0.02)
    read_until(process, "step 25")
    process.kill()
    process.wait()
    spool = store.folder / "job-1" / "spool"
    logged = Spool(spool).segments()[0].read_bytes().count(b"metrics")
    assert logged >= 25
    second = Tracker.attach(store.request(), "job-1", spool)
    for step in range(21, logged + 11):
        second.metrics(step, {"train/loss": 0.0, "kl/teacher": 0.0, "perf/seconds": 0.0})
    assert second.close("FINISHED") == 0
    for key in ("train/loss", "kl/teacher", "perf/seconds"):
        assert store.steps("job-1", key) == list(range(1, logged + 11))
    assert store.points("job-1", "train/loss")[24] == (25, 1 / 25)


def test_two_attempts_make_one_new_database_at_once_and_lose_nothing(store: Any, attempt: Any, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").unlink()
    processes = [attempt(store, uid, first=1, last=60, pause=0.03) for uid in ("job-1", "job-2")]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    for output in outputs:
        assert "left 0" in output
        assert "imported []" in output, "importing gopd_tracking must stay cheap"
        assert "network" not in output, "nothing but the tracking address may be asked"
    for uid in ("job-1", "job-2"):
        assert store.steps(uid, "train/loss") == list(range(1, 61))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job-1", "job-2", "mlflow.db", "mlflow.db.lock"]


def test_the_command_says_what_a_folder_lacks_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gopd_tracking", "send", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"Error: SPOOL: {tmp_path} holds no job.json; name the spool folder of a job\n"
