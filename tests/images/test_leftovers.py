"""A supervisor that dies in the middle of things, and what the next attempt makes of what lies there.

The supervisor is real, in a process of its own that is stopped and killed; the test plays the training, which writes
its steps and checkpoints where the supervisor cannot read them any more.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.trainer.requests_for_tests import train_request

from gopd_api.reports import Progress, TrainReport
from gopd_api.requests import TrainRequest
from gopd_trainer.core.checkpoints import SEAL
from gopd_trainer.core.identity import identity
from gopd_trainer.shell import checkpoint_files, events, processes, supervisor

pytestmark = pytest.mark.timeout(120)
SILENT = [sys.executable, "-c", "import time; time.sleep(600)"]
SUPERVISE = """
import sys
from pathlib import Path
from gopd_api.requests import TrainRequest
from gopd_trainer.shell.supervisor import Supervisor
request = TrainRequest.read(Path(sys.argv[1]).read_text())
raise SystemExit(Supervisor(request, Path(sys.argv[1]), sys.argv[2:]).run())
"""


class Played:
    """A training of which the test writes what verl would write."""

    def __init__(self, request: TrainRequest) -> None:
        self.request = request
        self.record = Path(request.paths.scratch) / events.NAME

    def begins(self, step: int) -> None:
        events.write(self.record, "resumed", step=step, total=9)

    def step(self, number: int) -> None:
        events.write(self.record, "step", step=number, total=9, metrics={"kl/teacher": 1 / number})

    def save(self, step: int, *, whole: bool = True) -> Path:
        """A checkpoint on disk, of which the supervisor is not told."""
        folder = Path(self.request.paths.checkpoints) / f"global_step_{step}"
        model = folder / checkpoint_files.EXPORTED
        model.mkdir(parents=True)
        (model / "config.json").write_text("{}")
        (model / "model.safetensors").write_bytes(b"weights of step %d" % step)
        if whole:
            checkpoint_files.seal(folder, step, 1, identity(self.request))
        return folder

    def tell_saved(self, step: int) -> None:
        folder = Path(self.request.paths.checkpoints) / f"global_step_{step}"
        events.write(self.record, "checkpoint", step=step, path=str(folder))

    def progress(self) -> Progress | None:
        path = Path(self.request.paths.progress)
        return Progress.model_validate_json(path.read_text()) if path.exists() else None


@contextlib.contextmanager
def killed(request: TrainRequest) -> Iterator[Played]:
    """An attempt that told step 1, and was killed whole after it had saved steps 2 and 3 unnoticed."""
    path = Path(request.paths.scratch).with_name("request.json")
    path.write_text(request.to_json())
    process = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(path), *SILENT])
    played = Played(request)
    try:
        until(lambda: processes.marked(request.paths.scratch) != [])
        played.begins(0)
        played.step(1)
        until(lambda: (found := played.progress()) is not None and found.step == 1)
        process.send_signal(signal.SIGSTOP)
        for number in (2, 3):
            played.step(number)
            played.save(number)
            played.tell_saved(number)
        played.step(4)
        played.save(4, whole=False)
    finally:
        process.kill()
        process.wait()
    yield played
    processes.end(request.paths.scratch)


def until(holds: Any) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def goes_on(request: TrainRequest, step: int, *then: str) -> TrainReport:
    """The next attempt, whose training begins after `step` and ends."""
    lines = "\n".join(
        [
            "import sys; from pathlib import Path; from gopd_trainer.shell import events",
            f"record = Path(sys.argv[1]) / events.NAME; events.write(record, 'resumed', step={step}, total=9)",
            *then,
        ]
    )
    command = [sys.executable, "-c", lines, request.paths.scratch]
    again = request.model_copy(update={"attempt": request.attempt + 1})
    assert supervisor.Supervisor(again, Path("request.json"), command).run() == 0
    return TrainReport.model_validate_json(Path(request.paths.report).read_text())


def test_steps_that_a_dead_supervisor_did_not_tell_are_told(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with killed(train_request(tmp_path, tracking_uri=uri)) as played:
        goes_on(played.request, 3, "events.write(record, 'step', step=4, total=9, metrics={'kl/teacher': 0.7})")
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    points = client.get_metric_history(run.info.run_id, "kl/teacher")
    assert sorted((point.step, point.value) for point in points) == [(1, 1), (2, 1 / 2), (3, 1 / 3), (4, 0.7)]


def test_checkpoints_that_a_dead_supervisor_did_not_export_are_exported(tmp_path: Path) -> None:
    with killed(train_request(tmp_path)) as played:
        report = goes_on(played.request, 3)
    assert [one.step for one in report.checkpoints] == [2, 3]
    for one in report.checkpoints:
        assert one.export is not None
        assert (Path(one.export) / "model.safetensors").read_bytes() == b"weights of step %d" % one.step
        assert one.digest == checkpoint_files.digest(Path(one.export))


def test_what_was_told_stays_told_and_torn_checkpoints_go(tmp_path: Path) -> None:
    with killed(train_request(tmp_path)) as played:
        goes_on(played.request, 3)
        assert not (Path(played.request.paths.checkpoints) / "global_step_4").exists()
        checkpoint_files.remove(Path(played.request.paths.checkpoints), 2)
        report = goes_on(played.request, 3)
    assert [one.step for one in report.checkpoints] == [2, 3]


def test_a_seal_that_cannot_be_read_is_no_reason_to_remove_a_checkpoint(tmp_path: Path) -> None:
    with killed(train_request(tmp_path)) as played:
        sealed = Path(played.request.paths.checkpoints) / "global_step_3" / SEAL
        sealed.write_text("{")
        goes_on(played.request, 2)
    assert sealed.is_file()


def test_checkpoints_after_the_one_that_training_goes_on_from_are_told_no_more(tmp_path: Path) -> None:
    with killed(train_request(tmp_path)) as played:
        assert [one.step for one in goes_on(played.request, 3).checkpoints] == [2, 3]
        assert [one.step for one in goes_on(played.request, 2).checkpoints] == [2]
        (half := Path(played.request.paths.exports) / ".step-2.partial").mkdir()
        shutil.rmtree(Path(played.request.paths.checkpoints))
        report = goes_on(played.request, 2)
    assert [(one.step, one.path) for one in report.checkpoints] == [(2, "")]
    assert not half.exists()


def test_a_step_that_is_trained_again_replaces_its_export(tmp_path: Path) -> None:
    request = train_request(tmp_path)
    stale = Path(request.paths.exports) / "step-2"
    stale.mkdir(parents=True)
    (stale / "model.safetensors").write_bytes(b"weights of another training")
    folder = Played(request).save(2)
    report = goes_on(request, 0, f"events.write(record, 'checkpoint', step=2, path={str(folder)!r})")
    assert (stale / "model.safetensors").read_bytes() == b"weights of step 2"
    assert report.checkpoints[0].digest == checkpoint_files.digest(stale)
    assert [path.name for path in stale.parent.iterdir()] == ["step-2"]


def test_leftovers_that_cannot_be_read_are_told_and_do_not_end_the_next_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with killed(train_request(tmp_path)) as played:
        with played.record.open("ab") as file:
            file.write(b"\0\0\0\n")
        report = goes_on(played.request, 3)
    assert "its last points may be missing" in capsys.readouterr().out
    assert [one.step for one in report.checkpoints] == [2, 3]


def test_a_checkpoint_that_is_written_while_the_one_before_is_exported_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = train_request(tmp_path)
    played, export = Played(request), checkpoint_files.export

    def slow(checkpoint: Path, target: Path, dtype: str) -> str:
        if checkpoint.name == "global_step_2":
            played.save(4)
            played.tell_saved(4)
        return export(checkpoint, target, dtype)

    monkeypatch.setattr(checkpoint_files, "export", slow)
    played.save(2)
    lines = "events.write(record, 'checkpoint', step=2, path={!r}); import time; time.sleep(2)"
    report = goes_on(request, 0, lines.format(str(Path(request.paths.checkpoints) / "global_step_2")))
    assert [(one.step, bool(one.path)) for one in report.checkpoints] == [(2, True), (4, True)]
