"""verl's options: golden files a change of which is read, and verl's own configuration and checks."""

import json
import subprocess
import sys

import pytest
from tests.trainer.golden_options import GOLDEN, first_requests, golden_text
from tests.trainer.requests_for_tests import teacher, train_request

from gopd_api.requests import TrainRequest
from gopd_api.training import Importance
from gopd_trainer.core.options import options

REQUESTS = first_requests()


@pytest.mark.parametrize("name", REQUESTS)
def test_the_options_of_an_example_are_the_golden_ones(name: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    assert golden.exists(), "write it: python tests/trainer/golden_options.py"
    assert golden_text(REQUESTS[name]) == golden.read_text(encoding="utf-8"), (
        "read the difference; if it is meant: python tests/trainer/golden_options.py"
    )


@pytest.mark.parametrize("accelerator", ["cpu", "gpu"])
def test_verl_composes_the_options_of_every_example_and_its_own_checks_pass(accelerator: str) -> None:
    """In a process of its own, because verl's platform is chosen at import. No GPU is needed for it."""
    program = (
        "import json, sys; from gopd_api.requests import TrainRequest; from gopd_trainer.core.options import options;"
        "from gopd_trainer.shell.compose import compose, validate;"
        "import gopd_trainer.shell.loss;\n"
        "for name, request in json.load(sys.stdin).items():\n"
        "    config = compose(options(TrainRequest.read(request)) | {'gopd.identity': 'x'})\n"
        "    validate(config); print('VALID', name, config.trainer.device)"
    )
    chosen = {name: request for name, request in REQUESTS.items() if request.accelerator == accelerator}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps({name: request.to_json() for name, request in chosen.items()}),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"},
    )
    device = "cuda" if accelerator == "gpu" else "cpu"
    assert chosen
    for name in chosen:
        assert f"VALID {name} {device}" in ran.stdout, ran.stderr[-2000:]


def test_no_reference_is_served_at_reward_scale_1() -> None:
    chosen = options(train_request(teachers=[teacher("only", [], 1.0, None)]))
    keys = {value for name, value in chosen.items() if name.endswith(".key")}
    assert keys == {"only"}
    assert chosen["gopd.routes"][0]["reference"] is None


def test_every_teacher_and_each_distinct_reference_has_a_server() -> None:
    scored = [teacher("a", ["x"], 1.25, "/m/base"), teacher("b", ["y"], 1.5, "/m/base"), teacher("c", ["z"], 1, None)]
    chosen = options(train_request(teachers=scored))
    assert {value for name, value in chosen.items() if name.endswith(".key")} == {"a", "b", "c", "a:reference"}
    assert chosen["distillation.n_gpus_per_node"] == 4


def test_importance_none_switches_the_weights_off() -> None:
    chosen = options(train_request(importance=Importance(level="none")))
    assert chosen["distillation.distillation_loss.importance_cap"] is None


def test_only_plugins_precision_and_placement_differ_between_the_accelerators() -> None:
    cpu = options(train_request())
    gpu = options(train_request(accelerator="gpu"))
    differing = {name for name in cpu.keys() | gpu.keys() if cpu.get(name) != gpu.get(name)}
    method = ("distillation.distillation_loss", "gopd.", "data.", "actor_rollout_ref.actor.optim", "trainer.v1")
    assert not [name for name in differing if name.startswith(method)]
    assert "actor_rollout_ref.actor.loss_agg_mode" not in differing


def test_overrides_are_handed_to_verl() -> None:
    chosen = options(train_request(overrides={"actor_rollout_ref.rollout.enforce_eager": True}))
    assert chosen["actor_rollout_ref.rollout.enforce_eager"] is True


def test_the_options_command_prints_them_without_importing_torch() -> None:
    request: TrainRequest = train_request()
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gopd_trainer", "options", "--request", "-"],
        input=request.to_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = json.loads(ran.stdout)
    assert 'actor_rollout_ref.model.path="/m/student"' in shown
    assert "torch" not in {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
