"""A training on a Ray cluster that is there already, started as Ray starts a submitted job: with RAY_ADDRESS set."""

import tempfile
from pathlib import Path

import pytest
from examples.tiny_inputs import make_model, make_prompts
from tests.trainer.ray_cluster import RayCluster
from tests.trainer.requests_for_tests import teacher, train_request
from tests.trainer.running import Training

pytestmark = pytest.mark.timeout(900)


def test_a_training_uses_the_ray_cluster_that_is_there_and_leaves_it_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {name: str(make_model(tmp_path / name, seed=seed)) for seed, name in enumerate(("student", "teacher"))}
    request = train_request(
        tmp_path / "job",
        student=models["student"],
        teachers=[teacher("only", [], 1.25, models["student"], models["teacher"])],
        train=str(make_prompts(tmp_path / "train.jsonl")),
        optimization={"steps": 2},
    )
    # Sockets lie in Ray's folder, and their names may not be long.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        cluster = RayCluster(Path(folder), gpus=3)
        try:
            before = cluster.daemons()
            for name, value in {"RAY_ADDRESS": cluster.address, **cluster.variables}.items():
                monkeypatch.setenv(name, value)
            training = Training(request, tmp_path / "job")
            code, output = training.finish()
            assert code == 0, output
            assert f"RAY_ADDRESS is set: training on the Ray cluster at {cluster.address}" in output
            assert training.report()["step"] == 2
            after = cluster.daemons()
            assert (after["raylet"], after["gcs_server"]) == (before["raylet"], before["gcs_server"])
        finally:
            cluster.end()
