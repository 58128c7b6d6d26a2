"""Whole trainings with verl on processors: routing by numbers, SIGKILL and resume, MLflow, stops, stalls, failures."""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from examples.tiny_inputs import make_model, make_prompts
from mlflow import MlflowClient
from tests.trainer.requests_for_tests import teacher, train_request
from tests.trainer.running import Training
from transformers import AutoModelForCausalLM

from gopd_api.requests import JobIdentity, TrainLimits
from gopd_trainer.shell import checkpoint_files, events, processes

pytestmark = pytest.mark.timeout(900)
STEPS = 7
LARGEST_FILE = 100_000
"""Bytes: less than a checkpoint has."""


class World:
    """A student, two teachers and two references with one tokenizer, and prompts of two domains."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = {
            "student": make_model(folder / "student", seed=0),
            "algebra": make_model(folder / "algebra", seed=1),
            "coder": make_model(folder / "coder", seed=2, width=96),
            "base": make_model(folder / "base", seed=3),
            "narrow": make_model(folder / "narrow", seed=4, vocabulary=280),
        }
        self.prompts = make_prompts(folder / "train.jsonl")

    def teachers(self) -> list[Any]:
        return [
            teacher("algebra", ["math"], 1.25, str(self.models["student"]), str(self.models["algebra"])),
            teacher("coder", ["code"], 1.5, str(self.models["base"]), str(self.models["coder"])),
        ]

    def training(self, name: str, number: int, **changes: Any) -> Training:
        given: dict[str, Any] = {
            "student": str(self.models["student"]),
            "teachers": self.teachers(),
            "train": str(self.prompts),
            "job": JobIdentity(namespace="default", name=name, uid=f"5f0c2f7e-0000-4000-8000-{number:012d}"),
        }
        folder = self.folder / "jobs" / name
        return Training(train_request(folder, **(given | changes)), folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def resumed(world: World) -> tuple[World, Training, dict[str, Any]]:
    """Two teachers with two references; killed whole after step 5 and started again by the same command."""
    given = {"optimization": {"steps": STEPS}, "tracking_uri": f"sqlite:///{world.folder}/mlflow.db"}
    first = world.training("resumed", 1, **given)
    first.wait_until(lambda progress: progress["step"] >= 5)
    first.kill_everything()
    assert not processes.marked(first.request.paths.scratch)
    written = events.Reader(Path(first.request.paths.scratch, events.NAME)).new()
    # What the training wrote down, of which the supervisor may have been killed before it told the last.
    before = first.progress() | {"step": max(one["step"] for one in written if one["kind"] == "step")}
    again = world.training("resumed", 1, **given)
    code, output = again.finish()
    assert code == 0, output
    return world, again, before


def test_a_killed_training_goes_on_from_its_last_checkpoint(resumed: tuple[World, Training, dict[str, Any]]) -> None:
    _, training, before = resumed
    report = training.report()
    assert before["step"] >= 5
    assert report["resumedFrom"] in (4, 6)
    assert report["resumedFrom"] <= before["step"]
    assert (report["outcome"], report["step"]) == ("succeeded", STEPS)
    assert [one["step"] for one in report["checkpoints"]][-1] == STEPS


def test_a_checkpoint_counts_only_once_the_metrics_of_its_step_are_written_down(
    resumed: tuple[World, Training, dict[str, Any]],
) -> None:
    _, training, _ = resumed
    written = events.Reader(Path(training.request.paths.scratch, events.NAME)).new()
    order = [(one["kind"], one["step"]) for one in written if one["kind"] in ("step", "checkpoint")]
    saved = [step for kind, step in order if kind == "checkpoint"]
    assert saved[-2:] == [6, STEPS]
    assert all(order.index(("step", step)) < order.index(("checkpoint", step)) for step in saved)


def test_the_job_has_one_mlflow_run_with_one_point_a_step(resumed: tuple[World, Training, dict[str, Any]]) -> None:
    world, training, before = resumed
    client = MlflowClient(f"sqlite:///{world.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tests")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`gopd.job.uid` = '{training.request.job.uid}'")
    assert len(runs) == 1
    run = runs[0]
    assert run.info.status == "FINISHED"
    assert run.info.run_id == training.report()["mlflowRunId"] == before["mlflowRunId"]
    for name in ("train/loss", "kl/teacher", "kl/reference/coder", "importance/max", "perf/seconds_step"):
        points = client.get_metric_history(run.info.run_id, name)
        assert sorted(point.step for point in points) == list(range(1, STEPS + 1)), name
    assert run.data.tags["gopd.rewardScale"] == "1.25,1.5"
    assert run.data.params["optimization.steps"] == str(STEPS)
    assert "gopd.paramDrift" not in run.data.tags
    saved = client.search_logged_models([experiment.experiment_id])
    assert sorted(model.tags["gopd.checkpoint.step"] for model in saved) == ["2", "4", "6", "7"]


def test_each_sample_was_scored_by_its_own_teacher_and_reference(
    resumed: tuple[World, Training, dict[str, Any]],
) -> None:
    """Scores of kept samples are worked out again with transformers, for every model of the training."""
    world, training, _ = resumed
    own = {"math": ("algebra", "student", 1.25), "code": ("coder", "base", 1.5)}
    samples = [
        json.loads(line)
        for path in Path(training.request.paths.scratch, "samples").glob("step-*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert {sample["domain"] for sample in samples} == {"math", "code"}
    scores = {name: score_with(path, samples) for name, path in world.models.items() if name != "narrow"}
    for number, sample in enumerate(samples):
        teacher_name, reference_name, scale = own[sample["domain"]]
        assert sample["reward_scale"] == scale
        for kept, right in (("teacher_log_probs", teacher_name), ("reference_log_probs", reference_name)):
            found = torch.tensor(sample[kept])
            assert torch.allclose(found, scores[right][number], atol=1e-4), (kept, right)
            for wrong in scores.keys() - {right}:
                assert (found - scores[wrong][number]).abs().mean() > 1e-2, (kept, wrong)


@torch.inference_mode()
def score_with(folder: Path, samples: list[dict[str, Any]]) -> list[torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = []
    for sample in samples:
        ids = torch.tensor([sample["prompt_tokens"] + sample["response_tokens"]])
        log_probs = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        found.append(log_probs[len(sample["prompt_tokens"]) - 1 :])
    return found


def test_exports_are_whole_models_in_the_master_precision(resumed: tuple[World, Training, dict[str, Any]]) -> None:
    world, training, _ = resumed
    last = training.report()["checkpoints"][-1]
    model, start = (AutoModelForCausalLM.from_pretrained(p) for p in (last["export"], world.models["student"]))
    assert model.dtype == torch.float32
    moved = (model.get_input_embeddings().weight - start.get_input_embeddings().weight).abs().max()
    assert 0 < moved < 0.1
    saved = torch.load(
        Path(last["path"], "actor", "model_world_size_1_rank_0.pt"), weights_only=False, map_location="cpu"
    )
    exact = saved["lm_head.weight"]
    exact = exact.full_tensor() if hasattr(exact, "full_tensor") else exact
    assert torch.equal(model.lm_head.weight, exact)


def test_equal_models_have_no_advantage_and_a_dead_tracker_stops_nothing(world: World) -> None:
    student = str(world.models["student"])
    same = [teacher("same", [], 1.25, student, student)]
    training = world.training(
        "equal",
        2,
        teachers=same,
        optimization={"steps": 1},
        tracking_uri="http://127.0.0.1:9",
    )
    code, output = training.finish()
    assert code == 0, output
    metrics = training.report()["metrics"]
    assert metrics["train/advantage_abs_max"] < 1e-5
    assert metrics["importance/max"] == pytest.approx(1, abs=1e-4)
    spooled = [path for path in Path(training.request.paths.scratch, "tracking").rglob("*") if path.is_file()]
    assert any(b"train/advantage_abs_max" in path.read_bytes() for path in spooled)


def test_sigterm_saves_the_newest_step_and_the_same_command_goes_on(world: World) -> None:
    given = {"optimization": {"steps": 200}, "every_steps": 1000}
    first = world.training("stopped", 3, **given)
    reached = first.wait_until(lambda progress: progress["step"] >= 2)["step"]
    first.process.send_signal(signal.SIGTERM)
    code, output = first.finish()
    report = first.report()
    assert (code, report["outcome"]) == (3, "stopped"), output
    saved = report["checkpoints"][-1]["step"]
    assert saved >= reached
    assert "goes on" in report["message"]
    # As a supervisor leaves it that is killed before it exports what the training saved.
    shutil.rmtree(report["checkpoints"][-1]["export"])
    # As a training on other machines leaves it, from whose checkpoints this one cannot go on.
    stale = Path(first.request.paths.checkpoints, f"global_step_{saved + 1}")
    stale.mkdir()
    (stale / "of-another.pt").write_bytes(b"1")
    checkpoint_files.seal(stale, saved + 1, 2, "sha256:another")
    again = world.training("stopped", 3, optimization={"steps": saved + 1}, every_steps=1000)
    code, output = again.finish()
    assert code == 0, output
    report = again.report()
    assert report["resumedFrom"] == saved
    assert stale.is_dir()
    assert not (stale / "of-another.pt").exists()
    assert [one["step"] for one in report["checkpoints"]] == [saved, saved + 1]
    assert all(Path(one["export"], "model.safetensors").is_file() for one in report["checkpoints"])


def test_a_disk_that_fills_up_is_told_and_the_same_command_goes_on_from_what_was_saved(world: World) -> None:
    """Files that may not grow stand in for the full disk: they fail the write of a checkpoint in the same place."""
    first = world.training("full", 6, optimization={"steps": 400}, every_steps=3)
    first.wait_until(lambda progress: progress["checkpoints"])
    writers = set(re.findall(r"WorkerDict pid=(\d+)", first.log()))
    assert len(writers) == 1, "the process that writes checkpoints has said so in the log"
    writer = psutil.Process(int(writers.pop()))
    writer.rlimit(psutil.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    code, output = first.finish()
    report = first.report()
    assert (code, report["reason"]) == (1, "DiskFull"), output
    assert "free space, or lower spec.checkpoints.keep" in report["message"]
    saved = report["checkpoints"][-1]["step"]
    again = world.training("full", 6, optimization={"steps": saved + 1}, every_steps=3)
    code, output = again.finish()
    assert code == 0, output
    assert again.report()["resumedFrom"] == saved


def test_failing_scores_fail_the_training_with_their_reason(world: World) -> None:
    """A teacher whose embedding ends below the tokenizer's largest token cannot score: a real fault of real models."""
    student = str(world.models["student"])
    training = world.training("failing", 4, teachers=[teacher("narrow", [], 1.0, None, str(world.models["narrow"]))])
    code, output = training.finish()
    report = training.report()
    assert (code, report["reason"]) == (1, "FailedSamples"), output
    assert "IndexError" in report["message"]
    assert student
    assert not processes.marked(training.request.paths.scratch)


def test_a_training_without_a_sign_of_life_is_ended_and_nothing_is_left(world: World) -> None:
    training = world.training(
        "stalled", 5, optimization={"steps": 500}, every_steps=1000, limits=TrainLimits(stall_after_seconds=12)
    )
    training.wait_until(lambda progress: progress["step"] >= 1)
    for process in processes.marked(training.request.paths.scratch):
        process.send_signal(signal.SIGSTOP)
    code, output = training.finish()
    report = training.report()
    assert (code, report["reason"]) == (1, "Stalled"), output
    assert not processes.marked(training.request.paths.scratch)
