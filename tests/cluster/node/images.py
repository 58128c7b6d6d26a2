"""The images that the node runs: built from the Dockerfiles that users build, kept by what they are made of.

Decides which images there are and when one has to be built again. `gopd-operator` and `gopd-grader` are whole. Trainer,
evaluation and MLflow would be gigabytes: their images are thin, hold our own code, and run it with this checkout's
environment, which the node mounts (`mounts`). So what the Dockerfiles of trainer and evaluation install is not covered
here; `GOPD_FULL_IMAGES=1` builds those two as well.

    python -m tests.cluster.node.images     # build all, print name, size and seconds
"""

import fcntl
import hashlib
import os
import re
import shutil
import string
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.binaries import say
from tests.cluster.node import stand_in
from tests.cluster.node.builder import Builder

ROOT = Path(__file__).resolve().parents[3]
VERSION = "0.1.0"
THIN = "tests/cluster/node/thin.Dockerfile"
KEPT = 3
"""Archives of one image that are kept: other checkouts may run other code."""


@dataclass(frozen=True)
class Recipe:
    """An image: its name, its Dockerfile, what of it is built, and with which arguments."""

    name: str
    dockerfile: str
    target: str | None = None
    arguments: dict[str, str] = field(default_factory=dict, hash=False)

    def sources(self) -> list[Path]:
        """Every file that goes into it, as its Dockerfile's COPY lines name them."""
        text = (ROOT / self.dockerfile).read_text()
        found = {ROOT / self.dockerfile, ROOT / ".dockerignore"}
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE):
            *names, _ = string.Template(line).safe_substitute(self.arguments).split()
            for path in (ROOT / name for name in names if not name.startswith("--")):
                found |= set(path.rglob("*")) if path.is_dir() else {path}
        return sorted(path for path in found if path.is_file() and not _ignored(path))

    def digest(self, base: str) -> str:
        """What the image is made of, in sixteen digits."""
        parts = hashlib.sha256(repr((base, self.name, self.target, sorted(self.arguments.items()))).encode())
        for path in self.sources():
            parts.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return parts.hexdigest()[:16]


def _ignored(path: Path) -> bool:
    return "__pycache__" in path.parts or any(part.endswith(".egg-info") for part in path.parts)


def _thin(name: str, package: str, programs: str) -> Recipe:
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    given = {"PYTHON": python, "PACKAGE": package, "PROGRAMS": programs}
    return Recipe(name, THIN, arguments=given)


OPERATOR = Recipe(f"localhost/gopd-operator:{VERSION}", "operator/Dockerfile")
GRADER = Recipe(f"localhost/gopd-grader:{VERSION}", "eval_image/Dockerfile", "grader")
THIN_TRAINER = _thin(f"localhost/gopd-trainer:{VERSION}", "trainer_image", "ray")
THIN_EVALUATION = _thin(f"localhost/gopd-eval:{VERSION}", "eval_image", "")
THIN_MLFLOW = _thin("ghcr.io/mlflow/mlflow:v3.17.2", "crds", "mlflow")
FULL_TRAINER = Recipe(f"localhost/gopd-trainer-full:{VERSION}", "trainer_image/Dockerfile")
FULL_EVALUATION = Recipe(f"localhost/gopd-eval-full:{VERSION}", "eval_image/Dockerfile")


def recipes() -> list[Recipe]:
    """The images of a node, the whole ones of trainer and evaluation only where they are asked for."""
    full = [FULL_TRAINER, FULL_EVALUATION] if os.environ.get("GOPD_FULL_IMAGES") == "1" else []
    return [OPERATOR, GRADER, THIN_TRAINER, THIN_EVALUATION, THIN_MLFLOW, *full]


def mounts() -> dict[Path, str]:
    """What a node mounts into containers so that thin images are whole: the environment, and its interpreter."""
    return {Path(sys.prefix): "/opt/environment", Path(sys.base_prefix): "/opt/interpreter"}


def build_images(cache: Path, wanted: list[Recipe] | None = None) -> dict[str, Path]:
    """Each image's name, and its docker-archive below `cache`; built only where what it is made of has changed.

    Raises builder.Failed or stand_in.Failed with what is missing or went wrong.
    """
    folder = cache / "images"
    base = f"localhost/gopd-base:{_base_digest()}"
    archives = {recipe: folder / f"{_file_name(recipe)}-{recipe.digest(base)}.tar" for recipe in wanted or recipes()}
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".lock"):
        missing = {recipe: archive for recipe, archive in archives.items() if not archive.exists()}
        if missing:
            with Builder(folder) as builder:
                _provide_base(builder, base, folder)
                for recipe, archive in missing.items():
                    _build(builder, recipe, base, archive)
    for archive in archives.values():
        archive.touch()
    return {recipe.name: archive for recipe, archive in archives.items()}


def _build(builder: Builder, recipe: Recipe, base: str, archive: Path) -> None:
    started = time.monotonic()
    arguments = {"BASE_IMAGE": base, **recipe.arguments}
    builder.build(ROOT, ROOT / recipe.dockerfile, recipe.name, arguments, recipe.target)
    whole = archive.with_suffix(".part")
    builder.save(recipe.name, whole)
    whole.replace(archive)
    others = sorted(
        archive.parent.glob(f"{_file_name(recipe)}-????????????????.tar"), key=lambda path: path.stat().st_mtime
    )
    for old in others[:-KEPT]:
        old.unlink()
    megabytes = archive.stat().st_size / 1e6
    say(f"{recipe.name}: built in {time.monotonic() - started:.0f} s, {megabytes:.0f} MB")


def _provide_base(builder: Builder, base: str, folder: Path) -> None:
    if builder.has(base):
        return
    say(f"{base}: made of Debian's packages, about two minutes")
    started, root = time.monotonic(), folder / "root"
    _remove(root)
    stand_in.make(root)
    builder.from_root(root, base)
    _remove(root)
    say(f"{base}: made in {time.monotonic() - started:.0f} s")


def _remove(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)


def _base_digest() -> str:
    parts = [Path(stand_in.__file__).read_text(), stand_in.authorities()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _file_name(recipe: Recipe) -> str:
    return recipe.name.rsplit("/", 1)[-1].split(":")[0]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for image, archive in build_images(binaries.cache()).items():
        print(f"{image}\t{archive.stat().st_size / 1e6:.0f} MB\t{archive}")
