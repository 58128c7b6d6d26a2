"""A container image of a few files, as the docker-archive that container runtimes import: no builder is needed for it.

Decides the archive's layout. Images with more in them than a static program are built from their Dockerfiles.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(target: Path, name: str, files: Mapping[str, Path], entrypoint: Sequence[str]) -> Path:
    """Write an image called `name` (with a tag) that holds executable files, by their path in it, and nothing else."""
    layer = _packed({path: source.read_bytes() for path, source in files.items()}, mode=0o755)
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "gopd tests"}],
    }
    text = json.dumps(config).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    parts = {"manifest.json": json.dumps(manifest).encode(), config_name: text, f"{digest}/layer.tar": layer}
    target.write_bytes(_packed(parts, mode=0o644))
    return target


def _packed(files: Mapping[str, bytes], mode: int) -> bytes:
    """A tar of these files; the same each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            packed.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
