"""A hub that is away is another end than a hub that says no: the first may pass, the second never does."""

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from gopd_trainer.shell.driver import explained
from gopd_trainer.shell.inputs import folder_of

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
    ("error", "reason"),
    [
        (answered(429), "HubUnavailable"),
        (answered(503), "HubUnavailable"),
        (httpx.ConnectError("no route"), "HubUnavailable"),
        (behind(httpx.ReadTimeout("late")), "HubUnavailable"),
        (behind(answered(502)), "HubUnavailable"),
        (answered(401), "InvalidInput"),
        (answered(403), "InvalidInput"),
        (behind(answered(403)), "InvalidInput"),
        (answered(404, RepositoryNotFoundError), "InvalidInput"),
        (behind(OfflineModeIsEnabled("HF_HUB_OFFLINE")), "InvalidInput"),
        (OfflineModeIsEnabled("HF_HUB_OFFLINE"), "InvalidInput"),
        (OSError(28, "No space left on device"), "DiskFull"),
    ],
    ids=repr,
)
def test_only_a_hub_that_does_not_answer_is_tried_again(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(Exception) as caught:
        folder_of(MODEL, "spec.student.model")
    assert explained(caught.value).reason == reason
    assert reason == "DiskFull" or str(caught.value).startswith("spec.student.model: ")
