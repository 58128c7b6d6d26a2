"""Checkpoints on disk: sealed when whole, listed for resuming, exported as Hugging Face folders, removed when old.

Which one is used or removed is decided in `core.checkpoints`. Files are flushed before the seal is written, so that a
seal survives only with what it names.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from gopd_api.requests import TrainRequest
from gopd_trainer.core.checkpoints import SEAL, Found, Seal, whole
from gopd_trainer.core.identity import identity

PREFIX = "global_step_"
EXPORTED = Path("actor") / "huggingface"
"""Where verl puts the Hugging Face model within a checkpoint."""


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all: to a name beside it, flushed, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def flush(folder: Path) -> dict[str, int]:
    """Have every file of the checkpoint in `folder` on the disk; their sizes by path."""
    sizes: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != SEAL:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[str(path.relative_to(folder))] = path.stat().st_size
    return sizes


def seal(folder: Path, step: int, world_size: int, identity: str) -> None:
    """Declare the checkpoint in `folder` whole: flush every file, then write down their sizes."""
    sizes = flush(folder)
    write_atomically(folder / SEAL, json.dumps(asdict(Seal(step, sizes, world_size, identity)), indent=1))


def list_checkpoints(root: Path) -> list[Found]:
    """Every `global_step_<n>` below `root`, whole or not."""
    found = []
    for folder in sorted(root.glob(f"{PREFIX}*")):
        number = folder.name.removeprefix(PREFIX)
        if folder.is_dir() and number.isdigit():
            sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
            found.append(Found(int(number), str(folder), _read_seal(folder / SEAL), sizes))
    return found


def steps(root: Path) -> list[int]:
    """The steps of which there is a checkpoint below `root`, whole or not."""
    numbers = (folder.name.removeprefix(PREFIX) for folder in root.glob(f"{PREFIX}*"))
    return sorted(int(number) for number in numbers if number.isdigit())


def torn(root: Path) -> list[Path]:
    """Checkpoints below `root` that were never sealed. A seal that cannot be read now is no reason to remove one."""
    found = []
    for folder in (root / f"{PREFIX}{step}" for step in steps(root)):
        try:
            (folder / SEAL).lstat()
        except FileNotFoundError:
            found.append(folder)
        except OSError:
            continue
    return found


def half_exports(root: Path) -> list[Path]:
    """What a death in the middle of an export, or of its removal, leaves below `root`."""
    return [*root.glob(".*.partial"), *root.glob(".*.old")]


def whole_checkpoints(request: TrainRequest) -> list[Found]:
    """The checkpoints of a training on disk that it can go on from, by step."""
    world = request.pools.trainer_gpus_per_node * request.pools.trainer_nodes
    return whole(list_checkpoints(Path(request.paths.checkpoints)), world, identity(request))


def _read_seal(path: Path) -> Seal | None:
    try:
        return Seal(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        # Torn or not there: the checkpoint is not whole, which is what None says.
        return None


def remove(root: Path, step: int) -> None:
    """Remove a checkpoint; its seal first, so that a half removed one is not taken for whole."""
    folder = root / f"{PREFIX}{step}"
    (folder / SEAL).unlink(missing_ok=True)
    shutil.rmtree(folder)


def export(checkpoint: Path, target: Path, dtype: str) -> str:
    """Put the checkpoint's Hugging Face folder at `target`, by links or copies; the digest of its weights.

    `dtype` is written into config.json as the precision of the weights, which verl leaves at bfloat16. An export that
    is there is replaced: it was never told, or is of a training that this one does not go on from.
    """
    _withdraw(target)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(checkpoint / EXPORTED, partial, copy_function=_link_or_copy)
    _set_dtype(partial / "config.json", dtype)
    partial.rename(target)
    return digest(target)


def _withdraw(target: Path) -> None:
    """Take an export away, if there is one; one that is half removed is never at its name."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> None:
    """A hard link; a flushed copy where the storage has none, as SMB and object stores."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with Path(target).open("rb") as file:
            os.fsync(file.fileno())


def _set_dtype(path: Path, dtype: str) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    config["dtype"] = dtype
    write_atomically(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def digest(folder: Path) -> str:
    """sha256 over the names and contents of the weight files of a Hugging Face folder."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        total.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return f"sha256:{total.hexdigest()}"


def weights_bytes(folder: Path) -> Mapping[str, int]:
    """Sizes of the weight files of a Hugging Face folder."""
    return {path.name: path.stat().st_size for path in folder.glob("*.safetensors")}
