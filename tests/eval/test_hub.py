"""A hub that is away is another end than a hub that says no: the first may pass, the second never does."""

from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from click.testing import CliRunner
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from gopd_api.endings import Ending
from gopd_eval.shell.cli import main
from gopd_eval.shell.progress import Watch

MODEL = f"hf://org/model@{'0' * 40}"


def answered(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> HfHubHTTPError:
    """What the hub library raises for an answer with this status."""
    request = httpx.Request("GET", "https://hub.example/api")
    return kind(f"the hub says {status}", response=httpx.Response(status, request=request))


def behind(cause: Exception) -> Exception:
    """The library's error for what is in no cache, with what kept it from fetching it."""
    error = LocalEntryNotFoundError("nothing in the cache")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (answered(429), "HubUnavailable", 4),
        (answered(503), "HubUnavailable", 4),
        (httpx.ConnectError("no route"), "HubUnavailable", 4),
        (behind(httpx.ReadTimeout("late")), "HubUnavailable", 4),
        (answered(403), "ModelUnavailable", 1),
        (behind(answered(403)), "ModelUnavailable", 1),
        (answered(404, RepositoryNotFoundError), "ModelUnavailable", 1),
        (behind(OfflineModeIsEnabled("HF_HUB_OFFLINE")), "ModelUnavailable", 1),
    ],
    ids=repr,
)
def test_only_a_hub_that_does_not_answer_ends_by_the_code_that_is_tried_again(
    error: Exception, reason: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_request: Any
) -> None:
    def download(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(Watch, "listen", lambda _: None)  # of the tests' own process
    given = make_request().model_dump()
    given["subjects"] = [{"name": "student", "model": MODEL}]
    path, log = tmp_path / "request.json", tmp_path / "log"
    path.write_text(type(make_request()).model_validate(given).to_json())
    ended = CliRunner().invoke(main, ["generate", "--request", str(path), "--summary", str(log)])
    assert ended.exit_code == code, ended.output
    told = Ending.model_validate_json(log.read_text())
    assert (told.outcome, told.reason) == ("failed", reason)
    assert "subjects[0].model" in told.message
