"""The images as pods run them: their own user, a read-only root, no network, no capability, the usual seccomp profile.

They are built from the Dockerfiles that users build. Trainer and evaluation are thin (`tests.cluster.node.images` says
what that leaves out), unless GOPD_FULL_IMAGES=1 asks for the whole ones.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import binaries
from tests.cluster.node import images, preflight
from tests.cluster.node.containers import Containers
from tests.e2e.cluster.clusters import POINTED, foreign
from tests.eval.conftest import make_model
from tests.trainer.requests_for_tests import teacher, train_request

from gopd_api.endings import Ending
from gopd_api.reports import EvalReport, TrainReport
from gopd_api.requests import EvalRequest

pytestmark = pytest.mark.timeout(3600)
FULL = os.environ.get("GOPD_FULL_IMAGES") == "1"
VOLUME, SETTINGS, LAST_WORDS = "/gopd", "/gopd-settings", "/dev/termination-log"
USER = 1000
DRAWN = {"temperature": 1.0, "topP": 1.0, "maxResponseTokens": 8}
ANSWERS = ["\\boxed{1}", "\\boxed{\\frac{2}{2}}", "\\boxed{3}", "\\boxed{10^{10^{10}}}", "none", "\\boxed{3.0}"]
VERDICTS = ["correct", "correct", "wrong", "refused", "no_answer", "correct"]
"""What grading makes of them, where the right answers are 1, 2 and 3."""


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    """Containers of the images, built now where they have changed."""
    if foreign():
        pytest.skip(f"builds images as this machine's node runs them, and {POINTED}")
    missing = preflight.missing_packages()
    if missing and os.environ.get("GOPD_E2E_INSTALL") == "1":
        preflight.install(missing)
    with Containers(images.build_images(binaries.cache())) as containers:
        yield containers


OPERATOR, GRADER = images.OPERATOR.name, images.GRADER.name
EVALUATION = (images.FULL_EVALUATION if FULL else images.THIN_EVALUATION).name
TRAINER = (images.FULL_TRAINER if FULL else images.THIN_TRAINER).name
MOUNTED = {} if FULL else images.mounts()


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("image", "user"), [(OPERATOR, 65532), (GRADER, USER), (EVALUATION, USER), (TRAINER, USER)])
def test_a_container_is_a_user_with_a_name_who_may_write_below_tmp_only(
    containers: Containers, image: str, user: int
) -> None:
    program = (
        "id -u; id -un >/dev/null && touch /tmp/x && echo $HOME; find / -xdev -writable ! -type l 2>/dev/null; true"
    )
    found = said(containers.run(image, ["sh", "-c", program], readable=MOUNTED)).split()
    assert found == [str(user), "/tmp", "/tmp"]


@pytest.mark.parametrize("command", [["gopd-operator", "--help"], ["gopd", "inspect", "--help"]])
def test_the_operators_image_has_both_programs(containers: Containers, command: list[str]) -> None:
    assert "Usage:" in said(containers.run(OPERATOR, command))


@pytest.mark.parametrize("part", ["generate", "grade", "compare"])
def test_the_evaluations_image_has_every_part(containers: Containers, part: str) -> None:
    command = ["python", "-m", "gopd_eval", part, "--help"]
    assert "--request" in said(containers.run(EVALUATION, command, readable=MOUNTED))


def test_an_image_holds_no_library_that_it_does_not_need(containers: Containers) -> None:
    program = "import importlib.util as i; print(*(m for m in {!r} if i.find_spec(m)))"
    for image, needless in (
        (OPERATOR, ["torch", "ray", "mlflow", "pip", "pytest", "gopd_trainer", "gopd_eval"]),
        (GRADER, ["torch", "ray", "transformers", "pip", "pytest", "gopd_operator", "gopd_trainer"]),
    ):
        assert said(containers.run(image, ["python", "-c", program.format(needless)])).split() == []


SELF_TEST = """
from gopd_eval.shell.code.pool import Pool
from gopd_eval.shell.code.selftest import self_test
with Pool(1, lambda: None) as pool:
    print(self_test(pool).text())
"""


def test_the_sandbox_for_code_of_models_holds_in_the_graders_image(containers: Containers) -> None:
    """It attacks itself, and fails when an attack gets through that must not."""
    report = said(containers.run(GRADER, ["python", "-c", SELF_TEST]))
    assert "seccomp" in report


def test_a_login_shell_finds_python_and_ray(containers: Containers) -> None:
    """KubeRay starts Ray in one."""
    script = "python -c 'import gopd_trainer, ray, sys; print(sys.prefix)' && ray --version && type -P python ray"
    text = said(containers.run(TRAINER, ["bash", "-lc", script], readable=MOUNTED))
    assert text.split()[0] == "/opt/venv"
    assert text.splitlines()[-2:] == ["/usr/local/bin/python", "/usr/local/bin/ray"]


def test_ray_runs_a_job_on_a_read_only_root(containers: Containers) -> None:
    submit = "ray job submit --address http://127.0.0.1:8265 -- python -c 'import os; print(6 * 7, os.getuid())'"
    script = f"ray start --head --num-cpus 2 --disable-usage-stats && {submit} && ray stop"
    assert f"42 {USER}" in said(containers.run(TRAINER, ["bash", "-lc", script], readable=MOUNTED))


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with a tiny model and a few problems, as its group may write it."""
    folder = tmp_path_factory.mktemp("volume")
    for seed, name in enumerate(("student", "teacher")):
        make_model(folder / "models" / name, seed)
    rows = [{"prompt": f"What is {n} plus 1?", "answer": n + 1} for n in range(3)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    return folder


def test_a_training_runs_on_a_read_only_root(containers: Containers, volume: Path, tmp_path: Path) -> None:
    """As KubeRay has it run: Ray in a login shell, the command as a job of Ray's."""
    models = {name: f"{VOLUME}/models/{name}" for name in ("student", "teacher")}
    wanted = train_request(
        root=f"{VOLUME}/jobs/training",
        student=models["student"],
        teachers=[teacher("only", reference=models["student"], model=models["teacher"])],
        train=f"{VOLUME}/problems.jsonl",
        optimization={"batch_size": 2, "micro_batch_size": 2, "steps": 2},
    )
    tmp_path.chmod(0o755)
    (tmp_path / "request.json").write_text(wanted.to_json())
    submit = (
        f"ray job submit --address http://127.0.0.1:8265 -- python -m gopd_trainer --request {SETTINGS}/request.json"
    )
    script = f"ray start --head --num-cpus 32 --num-gpus 4 --disable-usage-stats && {submit}"
    done = containers.run(
        TRAINER, ["bash", "-lc", script], writable={volume: VOLUME}, readable={tmp_path: SETTINGS, **MOUNTED},
        patience=900,
    )  # fmt: skip
    assert "Read-only file system" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    report = TrainReport.model_validate_json((volume / "jobs" / "training" / "report.json").read_text())
    assert (report.outcome, report.step) == ("succeeded", 2)


def request() -> EvalRequest:
    end = f"{VOLUME}/jobs/one"
    return EvalRequest.model_validate(
        {
            "job": {"namespace": "default", "name": "job", "uid": "uid-1"},
            "subjects": [{"name": "student", "model": f"{VOLUME}/models/student", "role": "student", "step": 0}],
            "baseline": "student",
            "tasks": [{"benchmark": "math", "name": "sums", "data": f"{VOLUME}/problems.jsonl", "samples": 2, **DRAWN}],
            "sampling": {"batchSize": 4},
            "accelerator": "cpu",
            "cpuThreads": 1,
            "paths": {
                "store": f"{VOLUME}/evaluations",
                "data": f"{VOLUME}/data",
                "report": f"{end}/report.json",
                "comparison": f"{end}/comparison.json",
                "progress": f"{end}/progress.json",
            },
            "tracking": {"experiment": "test", "runName": "run"},
        }
    )


def evaluate(containers: Containers, image: str, part: str, volume: Path, settings: Path) -> Ending:
    """Run one part as its pod would; its last words."""
    settings.chmod(0o755)
    (settings / "request.json").write_text(request().to_json())
    words = settings / "last-words"
    words.write_text("")
    words.chmod(0o666)
    command = ["python", "-m", "gopd_eval", part, "--request", f"{SETTINGS}/request.json", "--summary", LAST_WORDS]
    readable = {settings: SETTINGS, **(MOUNTED if image == EVALUATION else {})}
    said(containers.run(image, command, writable={volume: VOLUME, words: LAST_WORDS}, readable=readable))
    return Ending.model_validate_json(words.read_text())


def replace_answers(volume: Path) -> None:
    """As a model might have written them: two right ones, a wrong one, one that would never end, none at all."""
    (records,) = (volume / "evaluations" / "generations").glob("*/records.jsonl")
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    for row, text in zip(sorted(rows, key=lambda row: (row["problem"], row["sample"])), ANSWERS, strict=True):
        row |= {"text": text, "finish": "stop"}
    records.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_answers_are_drawn_graded_and_compared(containers: Containers, volume: Path, tmp_path: Path) -> None:
    assert evaluate(containers, EVALUATION, "generate", volume, tmp_path).outcome == "succeeded"
    replace_answers(volume)
    before = {path for path in volume.rglob("*") if path.is_file()}
    ending = evaluate(containers, GRADER, "grade", volume, tmp_path)
    assert (ending.outcome, ending.reason) == ("succeeded", "Completed")
    report = EvalReport.model_validate_json((volume / "jobs" / "one" / "report.json").read_text())
    assert report.request_digest == request().digest()
    (score,) = [score for score in report.scores if score.metric == "avg@2"]
    assert (score.problems, score.value) == (3, 0.5)
    (grades,) = (volume / "evaluations" / "grades").glob("*/records.jsonl")
    rows = sorted(map(json.loads, grades.read_text().splitlines()), key=lambda row: (row["problem"], row["sample"]))
    assert [row["verdict"] for row in rows] == VERDICTS
    written = {path for path in volume.rglob("*") if path.is_file()} - before
    assert {path.relative_to(volume).parts[0] for path in written} == {"evaluations", "jobs"}
    assert {path.stat().st_uid for path in written} == {USER}
    assert evaluate(containers, EVALUATION, "compare", volume, tmp_path).outcome == "succeeded"
