"""Models by content: the folder that a model's URI stands for, and the digest of what decides its answers.

Digests of folders are kept by path, size and time of change, so that gigabytes are read once. Models are loaded by the
engines.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from gopd_eval.core.digests import digest, key
from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.files import write_atomically

_PATTERNS = (
    "config.json", "generation_config.json", "*.safetensors", "tokenizer*", "chat_template*", "special_tokens_map.json",
    "added_tokens.json", "vocab.*", "merges.txt", "*.model",
)  # fmt: skip
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_PASSING = frozenset({408, 429})
"""HTTP statuses below 500 that pass by themselves."""
_TOKENIZER = ("tokenizer.json", "*.model", "vocab.*")


@dataclass(frozen=True)
class ModelSource:
    """A model as the request names it."""

    uri: str
    field: str
    """Where the request names it, for errors."""
    digest: str

    def folder(self) -> Path:
        """The local folder; fetched first when the model is on a hub. Raises EvaluationError."""
        return _fetched(self.uri, self.field) if self.uri.startswith("hf://") else Path(self.uri)


def locate(uri: str, field: str, store: Path) -> ModelSource:
    """The model with its digest; nothing is fetched. Raises EvaluationError for a folder that is not a model's."""
    if uri.startswith("hf://"):
        return ModelSource(uri, field, uri.removeprefix("hf://"))
    folder = Path(uri)
    if not folder.is_dir():
        raise EvaluationError(field, f"there is no folder {uri}", "give the folder of a Hugging Face model")
    if not (folder / "config.json").is_file():
        raise EvaluationError(field, f"{uri} holds no config.json", "give the folder of a Hugging Face model")
    if not _matching(folder, _WEIGHTS):
        raise EvaluationError(field, f"{uri} holds no weights", "put *.safetensors into the folder")
    if not _matching(folder, _TOKENIZER):
        raise EvaluationError(field, f"{uri} holds no tokenizer", "save the tokenizer into the model's folder")
    return ModelSource(uri, field, _folder_digest(folder, store))


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def _folder_digest(folder: Path, store: Path) -> str:
    files = _matching(folder, (*_PATTERNS, "pytorch_model*.bin"))
    stamps = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    memory = store / "models" / f"{key(str(folder.resolve()))}.json"
    if memory.is_file():
        known = json.loads(memory.read_text())
        if known["files"] == stamps:
            return str(known["digest"])
    found = digest([[path.name, _file_digest(path)] for path in files])
    content = {"folder": str(folder.resolve()), "digest": found, "files": stamps}
    write_atomically(memory, json.dumps(content, indent=2) + "\n", "paths.store")
    return found


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(uri: str, field: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    repository, _, revision = uri.removeprefix("hf://").partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=[*_PATTERNS, "*.json"]))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, httpx.TransportError) as error:
        fault = f"{uri} could not be fetched ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
        if _hub_is_away(error):
            remedy = "connect to the hub, or give the path of a folder"
            raise EvaluationError(field, fault, remedy, "HubUnavailable", passing=True) from error
        checked = "HF_HUB_OFFLINE" if isinstance(error, OfflineModeIsEnabled) else "the name, the revision and HF_TOKEN"
        remedy = f"check {checked}, or give the path of a folder"
        raise EvaluationError(field, fault, remedy, "ModelUnavailable") from error


def _hub_is_away(error: BaseException | None) -> bool:
    """Whether the hub did not answer, or said that it cannot now; False for what it would say again."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code in _PASSING or error.response.status_code >= 500
        if isinstance(error, httpx.TransportError):
            return True
        error = error.__cause__
    return False
