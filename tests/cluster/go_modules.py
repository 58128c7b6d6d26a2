"""Programs and files from pinned Go modules, checked against Go's checksum database.

Decides how a command is built so that it equals the released one where it matters (static, stamped with its version).
Which command is wanted `binaries` decides.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STAGED = re.compile(r"^\s*(?:replace\s+)?(k8s\.io/\S+)\s+=>\s+\./staging/", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A command: its module, version, folder in the module, and variables that the linker sets."""

    module: str
    version: str
    folder: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def package(self) -> str:
        return f"{self.module}/{self.folder}" if self.folder else self.module


class Failed(RuntimeError):
    """Go is missing, or refused."""


def build(command: Command, target: Path) -> None:
    """Build a command in a module of its own. Raises Failed with Go's last lines."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gopd-go-") as folder:
        workplace = Path(folder)
        (workplace / "go.mod").write_text(f"module gopd.invalid/{target.name}\n\ngo {_version()}\n")
        for replacement in _staged(command):
            _go(workplace, "mod", "edit", "-replace", replacement)
        # The command's own package, not the module alone: go.sum would lack what only the command needs.
        _go(workplace, "get", f"{command.package}@{command.version}")
        flags = ["-s", "-w", *(f"-X={name}={value}" for name, value in command.variables.items())]
        _go(workplace, "build", "-trimpath", "-ldflags", " ".join(flags), "-o", str(target), command.package)
    print(f"{target.name}: built in {time.monotonic() - started:.0f} s")


def build_file(source: Path, target: Path) -> None:
    """Build a program of one file that needs nothing but Go itself. Raises Failed with Go's last lines."""
    _go(source.parent, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), str(source))


def source(module: str, version: str) -> Path:
    """The folder of a module's sources. Raises Failed."""
    return Path(_downloaded(module, version)["Dir"])


def _downloaded(module: str, version: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="gopd-go-") as folder:
        found: dict[str, str] = json.loads(_go(Path(folder), "mod", "download", "-json", f"{module}@{version}"))
    return found


def _staged(command: Command) -> list[str]:
    """Kubernetes keeps libraries in its own tree and publishes each as a module under v0: the same ones are taken."""
    if command.module != "k8s.io/kubernetes":
        return []
    manifest = Path(_downloaded(command.module, command.version)["GoMod"]).read_text()
    version = f"v0{command.version.removeprefix('v1')}"
    return [f"{module}={module}@{version}" for module in STAGED.findall(manifest)]


def _version() -> str:
    found = re.search(r"go(\d+\.\d+(?:\.\d+)?)", _go(Path.cwd(), "env", "GOVERSION"))
    if found is None:
        raise Failed("`go env GOVERSION` names no version; install a release of Go")
    return found.group(1)


def _go(folder: Path, *words: str) -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise Failed("Go is not on PATH; install Go 1.26 or later, or put the program into the cache by hand")
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    ended = subprocess.run([go, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = " | ".join(ended.stderr.strip().splitlines()[-3:])
        raise Failed(f"`go {' '.join(words[:2])}` ended with {ended.returncode}: {last}")
    return ended.stdout
