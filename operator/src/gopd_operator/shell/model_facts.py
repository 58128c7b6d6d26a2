"""Where a model's `config.json` is found: in its folder, in the local Hugging Face cache, or on the hub.

Only the configuration is fetched, never weights. A hub that cannot be reached is no fault of the job: the answer is
then a sentence that says so. What the configuration means is decided in `core.model_size`.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gopd_api.inspection import ModelFacts
from gopd_operator.core.known_models import assumed_facts
from gopd_operator.core.model_size import UnknownSize, facts_of
from gopd_operator.core.paths import below


@dataclass
class Sizes:
    """The facts of models, by their names in the spec, and a sentence about each that is not known or was assumed."""

    facts: dict[str, ModelFacts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class NotAtHand(Exception):
    """There is no configuration to read; the message says why, and how to get it."""


def sizes_found(
    models: Iterable[str], root: Path, *, fetch: bool = False, assume: bool = False, made_by: str | None = None
) -> Sizes:
    """What is known of the models. `fetch`: ask the hub for what is not here; `assume`: go by names at last.

    `made_by` is the command that makes the folders, for the sentence about one that is not here.
    """
    found = Sizes()
    for model in dict.fromkeys(models):
        try:
            config, disk_bytes = _configuration(model, root, fetch, made_by)
            found.facts[model] = facts_of(config, disk_bytes)
        except NotAtHand as error:
            if assume and (guess := assumed_facts(model)):
                found.facts[model] = guess[1]
                found.notes.append(f"{model}: {error}; assumed to be as large as {guess[0]}")
            else:
                found.notes.append(f"{model}: {error}; its memory is not planned")
        except UnknownSize as error:
            found.notes.append(f"{model}: {error}; its memory is not planned")
    return found


def _configuration(
    model: str, root: Path, fetch: bool, made_by: str | None = None
) -> tuple[dict[str, Any], int | None]:
    """The content of config.json, and the bytes of the weights beside it. Raises NotAtHand."""
    if not model.startswith("hf://"):
        folder = Path(below(str(root), model))
        file = folder / "config.json"
        if not file.is_file():
            if made_by:
                raise NotAtHand(f"no config.json at hand (`{made_by}` makes it)")
            command = f"hf download ORG/NAME config.json --local-dir {folder}"
            raise NotAtHand(f"no config.json at hand (`{command}` fetches it)")
        return _read(file), _weight_bytes(folder)
    repository, _, revision = model.removeprefix("hf://").partition("@")
    folder = hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
    if (folder / "config.json").is_file():
        return _read(folder / "config.json"), _weight_bytes(folder)
    if fetch:
        return _fetched(repository, revision), None
    command = f"hf download {repository} config.json --revision {revision}"
    raise NotAtHand(f"no config.json at hand (`{command}` fetches it)")


def hub_cache() -> Path:
    """The folder of the Hugging Face cache, as huggingface_hub finds it."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _fetched(repository: str, revision: str) -> dict[str, Any]:
    # Takes most of a second to import, and is needed only here.
    from huggingface_hub import hf_hub_download

    with tempfile.TemporaryDirectory() as folder:
        try:
            return _read(Path(hf_hub_download(repository, "config.json", revision=revision, local_dir=folder)))
        except (OSError, ValueError) as error:
            # Absent, private, offline: all the hub's errors are one of the two.
            reason = str(error).strip().splitlines()
            raise NotAtHand(f"the hub did not give its config.json ({reason[0] if reason else 'no reason'})") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotAtHand(f"{file} cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise NotAtHand(f"{file} is no JSON object")
    return found


def _weight_bytes(folder: Path) -> int | None:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) or None
