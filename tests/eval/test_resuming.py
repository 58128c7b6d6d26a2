"""Killed at any moment and started again: nothing twice, nothing lost, the same result; and nothing is mixed up."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from gopd_api.reports import EvalProgress, EvalReport
from gopd_api.requests import EvalRequest
from gopd_eval.shell.generate import generate
from gopd_eval.shell.grade import grade
from gopd_eval.shell.progress import Watch

from .conftest import RequestMaker
from .killing import killed_often, watch_of


def records(request: EvalRequest, kind: str) -> dict[str, list[dict[str, Any]]]:
    folders = (Path(request.paths.store) / kind).iterdir()
    return {f.name: [json.loads(line) for line in (f / "records.jsonl").read_text().splitlines()] for f in folders}


def as_sets(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {folder: sorted(json.dumps(record, sort_keys=True) for record in lines) for folder, lines in found.items()}


def elsewhere(request: EvalRequest, folder: Path) -> EvalRequest:
    return request.model_copy(update={"paths": request.paths.model_copy(update={"store": str(folder)})})


def test_generation_and_grading_killed_at_random_moments_end_with_the_result_of_an_undisturbed_run(
    make_request: RequestMaker, tmp_path: Path
) -> None:
    undisturbed = make_request(
        subjects=make_request().model_dump()["subjects"][:1], sampling={"maxResponseTokens": 40, "batchSize": 2}
    )
    began = time.monotonic()
    generate(undisturbed, watch_of(undisturbed))
    drawing = time.monotonic() - began
    began = time.monotonic()
    wanted = grade(undisturbed, watch_of(undisturbed))
    grading = time.monotonic() - began

    disturbed = elsewhere(undisturbed, tmp_path / "disturbed")
    assert killed_often(generate, disturbed, drawing) > 2
    assert killed_often(grade, disturbed, grading) > 2
    for kind, size in (("generations", 24), ("divergences", 8), ("grades", 16)):
        found = records(disturbed, kind)
        places = [(folder, line["problem"], line["sample"]) for folder, lines in found.items() for line in lines]
        assert len(places) == len(set(places)) == size, f"{kind}: each once"
        assert as_sets(found) == as_sets(records(undisturbed, kind))
    report = EvalReport.model_validate_json(Path(disturbed.paths.report).read_text())
    assert report.scores == wanted.scores


def test_a_torn_last_line_is_cut_with_a_notice_and_drawn_again(
    make_request: RequestMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    request = make_request(subjects=make_request().model_dump()["subjects"][:1])
    generate(request, watch_of(request))
    before = as_sets(records(request, "generations"))
    path = max((Path(request.paths.store) / "generations").glob("*/records.jsonl"), key=lambda one: one.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    torn = len(whole) - 30 - whole[:-30].rfind(b"\n") - 1
    generate(request, watch_of(request))
    assert f"notice: paths.store: {path} ended with a torn line ({torn} bytes)" in capsys.readouterr().err
    assert as_sets(records(request, "generations")) == before


def test_the_time_left_is_told_by_the_pace_of_this_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("gopd_eval.shell.progress.time.monotonic", lambda: now[0])
    watch = Watch(tmp_path / "progress.json", "sha256:" + "0" * 64)

    def left() -> float | None:
        return EvalProgress.model_validate_json((tmp_path / "progress.json").read_text()).seconds_left

    watch.at("generating", "student", None, total=40, done=20)
    assert left() is None
    now[0] += 6
    watch.advance(4)
    assert left() == 24.0, "what was done before this start does not make it look faster"
    now[0] += 24
    watch.advance(16)
    assert left() is None


SHARED = {"maxResponseTokens": 6, "batchSize": 8}
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], int, int]] = {
    "nothing": ({}, {}, 1, 1),
    "another batch size": ({}, {"batchSize": 3}, 1, 1),
    "another preset": ({"preset": "seed", "enableThinking": False}, {}, 2, 2),
    "another temperature": ({"temperature": 0.5}, {}, 2, 2),
    "another top p": ({}, {"topP": 0.5}, 2, 2),
    "another length": ({"maxResponseTokens": 5}, {}, 2, 2),
    "another seed": ({}, {"seed": 1}, 2, 2),
    "more samples": ({"samples": 3}, {}, 2, 2),
    "thinking": ({"enableThinking": False}, {}, 2, 2),
    "fewer problems": ({"limit": 1}, {}, 2, 2),
}
"""What is changed in task and sampling, and how many generations and gradings there are afterwards."""


def one_task(make_request: RequestMaker, task: dict[str, Any], sampling: dict[str, Any]) -> EvalRequest:
    request = make_request()
    return make_request(
        subjects=request.model_dump()["subjects"][:1],
        tasks=[{"benchmark": "math", "name": "sums", "data": request.tasks[0].data, "samples": 2, "limit": 2} | task],
        sampling=SHARED | sampling,
    )


def run_whole(request: EvalRequest) -> tuple[int, int]:
    generate(request, watch_of(request))
    grade(request, watch_of(request))
    return len(records(request, "generations")), len(records(request, "grades"))


@pytest.mark.parametrize("change", CHANGES)
def test_answers_of_another_setting_are_never_taken(make_request: RequestMaker, change: str) -> None:
    task, sampling, generations, grades = CHANGES[change]
    assert run_whole(one_task(make_request, {}, {})) == (1, 1)
    assert run_whole(one_task(make_request, task, sampling)) == (generations, grades)


def test_another_model_of_the_same_name_and_path_draws_its_own_answers(
    make_request: RequestMaker, tiny: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "hf_model"
    subjects = [{"name": "student", "model": str(folder)}]
    first = one_task(make_request, {}, {}).model_dump() | {"subjects": subjects}
    shutil.copytree(tiny["student"], folder)
    request = EvalRequest.model_validate(first)
    run_whole(request)
    drawn = as_sets(records(request, "generations"))
    shutil.rmtree(folder)
    shutil.copytree(tiny["teacher"], folder)
    assert run_whole(request) == (2, 2)
    texts = [[line["text"] for line in lines] for lines in records(request, "generations").values()]
    assert texts[0] != texts[1]
    assert drawn.items() <= as_sets(records(request, "generations")).items()


def test_a_changed_prompt_is_drawn_anew_and_a_changed_answer_is_graded_anew(make_request: RequestMaker) -> None:
    request = one_task(make_request, {}, {})
    file = Path(str(request.tasks[0].data))
    run_whole(request)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[0]["answer"] = "77"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_whole(request) == (1, 2)
    rows[1]["prompt"] += " Think."
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_whole(request) == (2, 3)
