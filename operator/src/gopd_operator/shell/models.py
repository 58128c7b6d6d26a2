"""What can be told about a model folder without loading the model: is it one, its tokenizer, its context, its size.

Reads JSON and the headers of safetensors files only. Limits: `hf://` models are not looked up here; the images check
them when they have been fetched. Tokenizers are compared by their files, which is stricter than by what they do.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOKENIZER_PARTS = ("model", "added_tokens", "normalizer", "pre_tokenizer")
"""What of tokenizer.json decides which ids a text becomes. Decoders, padding and truncation do not."""
SLOW_TOKENIZER_FILES = ("tokenizer.model", "vocab.json", "merges.txt", "vocab.txt")


def folder_fault(folder: Path) -> str | None:
    """Why the folder is no model, or None."""
    if not folder.exists():
        return f"no folder {folder}"
    if not folder.is_dir():
        return f"{folder} is no folder"
    if not (folder / "config.json").is_file():
        return f"{folder} has no config.json, so it is no Hugging Face model"
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        return f"{folder} has no weights (*.safetensors)"
    return None


def read_json(path: Path) -> Any:
    """The file's content, None when there is no such file. Raises ValueError, naming the file, when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error})") from None


def tokenizer_difference(one: Path, other: Path) -> str | None:
    """The first way in which two folders' tokenizers differ, in words, or None when they give the same ids."""
    files = [folder / "tokenizer.json" for folder in (one, other)]
    present = [file.is_file() for file in files]
    if not any(present):
        return _slow_difference(one, other)
    if not all(present):
        return f"{files[present.index(False)].parent} has no tokenizer.json"
    if files[0].read_bytes() == files[1].read_bytes():
        return None
    left, right = read_json(files[0]), read_json(files[1])
    for part in TOKENIZER_PARTS:
        if left.get(part) != right.get(part):
            return _words(part, left.get(part), right.get(part))
    return None


def _words(part: str, left: Any, right: Any) -> str:
    if part == "model":
        sizes = [len(side.get("vocab") or ()) for side in (left, right)]
        if sizes[0] != sizes[1]:
            return f"its vocabulary has {sizes[1]} entries where the student's has {sizes[0]}"
        if left.get("vocab") != right.get("vocab"):
            return "its vocabulary gives other ids"
        return "its merges differ"
    return {
        "added_tokens": "its added (special) tokens differ",
        "normalizer": "it normalises text in another way",
        "pre_tokenizer": "it splits text in another way",
    }[part]


def _slow_difference(one: Path, other: Path) -> str | None:
    for name in SLOW_TOKENIZER_FILES:
        left, right = one / name, other / name
        if left.is_file() != right.is_file() or (left.is_file() and left.read_bytes() != right.read_bytes()):
            return f"its {name} differs"
    if not any((one / name).is_file() for name in SLOW_TOKENIZER_FILES):
        return f"{one} has no tokenizer"
    return None


def chat_template(folder: Path) -> Any:
    """The folder's chat template as transformers finds it: its own file first, else in tokenizer_config.json."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    config = read_json(folder / "tokenizer_config.json") or {}
    return config.get("chat_template")


def context_length(folder: Path) -> int | None:
    """Tokens that the model was made to read at most, or None where its configuration does not say."""
    config = read_json(folder / "config.json") or {}
    found = config.get("max_position_embeddings", (config.get("text_config") or {}).get("max_position_embeddings"))
    return found if isinstance(found, int) else None


def parameter_count(folder: Path) -> int | None:
    """Parameters in the folder's safetensors files, from their headers; None when there are none to read."""
    files = sorted(folder.glob("*.safetensors"))
    headers = [_header(file) for file in files]
    if not headers or any(header is None for header in headers):
        return None
    return sum(
        math.prod(tensor["shape"])
        for header in headers
        if header is not None
        for name, tensor in header.items()
        if name != "__metadata__"
    )


def _header(file: Path) -> Mapping[str, Any] | None:
    """The header of a safetensors file: 8 bytes with its length, little-endian, then JSON. None when it is torn."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 0 < length <= 100_000_000:
            return None
        try:
            header: Mapping[str, Any] = json.loads(handle.read(length))
        except ValueError:
            return None
        return header
