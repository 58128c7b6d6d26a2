"""Images from Dockerfiles without a Docker engine: buildah, with a store of its own.

Decides how a Dockerfile is built where there is neither a registry nor a daemon. Which images there are, and what they
stand on, is decided elsewhere.
"""

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.node import stand_in

BUILD_SECONDS = 3600
# chroot: no cgroups and no network namespace, which not every machine hands out. docker: the OCI format has no SHELL.
HOW = ("--layers", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker")


class Failed(RuntimeError):
    """buildah is missing, or a build ended with an error: its last words."""


class Builder:
    """buildah on a folder. Use it as a context: leaving it unmounts what buildah leaves mounted."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        temporary = folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        settings = folder / "storage.conf"
        settings.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.store}"\nrunroot = "{folder / "run"}"\n'
        )
        self._environment = os.environ | {"TMPDIR": str(temporary), "CONTAINERS_STORAGE_CONF": str(settings)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._buildah("rm", "--all")  # working containers of a build that failed stay mounted
        with suppress(FileNotFoundError):
            subprocess.run(["umount", str(self.store / "overlay")], capture_output=True, check=False)

    def has(self, image: str) -> bool:
        """Whether the store has an image of this name."""
        return bool(self._buildah("images", "--quiet", "--filter", f"reference={image}").strip())

    def from_root(self, root: Path, image: str) -> None:
        """An image that holds a root file system."""
        container = self._buildah("from", "scratch").strip()
        packed = root.with_suffix(".tar")
        # As a tar: files that buildah copies from a folder all belong to root.
        subprocess.run(["tar", "-C", str(root), "--numeric-owner", "-cf", str(packed), "."], check=True)
        self._buildah("add", "--quiet", container, str(packed), "/")
        packed.unlink()
        self._buildah("config", "--env", f"PATH={stand_in.PATH}", "--cmd", "/bin/bash", container)
        self._buildah("commit", "--quiet", "--rm", container, image)

    def build(
        self, context: Path, dockerfile: Path, image: str, arguments: Mapping[str, str], target: str | None
    ) -> None:
        """Build a Dockerfile. Raises Failed with its last lines."""
        given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        chosen = ["--target", target] if target else []
        self._buildah("bud", *HOW, *given, *chosen, "-f", str(dockerfile), "-t", image, str(context))

    def save(self, image: str, archive: Path) -> None:
        """Write an image as a docker-archive."""
        archive.unlink(missing_ok=True)  # buildah adds to none
        self._buildah("push", "--quiet", image, f"docker-archive:{archive}:{image}")

    def run(self, image: str, *command: str) -> str:
        """What a command in a new container of the image says. Raises Failed."""
        container = self._buildah("from", "--pull-never", image).strip()
        try:
            return self._buildah("run", "--isolation", "chroot", container, "--", *command)
        finally:
            self._buildah("rm", container)

    def _buildah(self, *words: str) -> str:
        command = ["nice", "-n", "10", "buildah", *words]
        ended = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
        )
        if ended.returncode == 127:
            raise Failed("buildah is missing; `apt-get install -y --no-install-recommends buildah`")
        if ended.returncode:
            last = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-12:])
            raise Failed(f"`buildah {words[0]}` ended with {ended.returncode}:\n{last}")
        return ended.stdout
