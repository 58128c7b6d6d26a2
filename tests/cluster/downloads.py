"""Official release files: fetched within a short time, checked against the published SHA-256, unpacked.

Decides when a download counts as failed. Which release is wanted, and what to do instead, `binaries` decides.
"""

import hashlib
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ANSWER_WITHIN = 5.0
"""Seconds for an address to answer: a machine without internet shall not wait long before it builds."""
DONE_WITHIN = 300.0


@dataclass(frozen=True)
class Release:
    """A file of a release, where its checksum is published, and what of an archive is wanted."""

    address: str
    checksums: str | None
    member: str | None = None


class Failed(RuntimeError):
    """A release could not be downloaded, or is not what was published."""


def download(release: Release, target: Path) -> None:
    """Fetch, check, unpack; the result is executable. Raises Failed."""
    fetched = target.with_name(f"{target.name}.download")
    expected = _published(release)
    _fetch(release.address, fetched)
    if expected is not None:
        with fetched.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise Failed(f"{release.address} has SHA-256 {found}, published is {expected}")
    if release.member is None:
        fetched.replace(target)
    else:
        _unpack(fetched, release.member, target)
    target.chmod(0o755)


def _published(release: Release) -> str | None:
    """The published checksum: a lone digest, or the line of a list that names the file."""
    if release.checksums is None:
        return None
    name = release.address.rsplit("/", 1)[1]
    lines = [line.split() for line in _read(release.checksums).splitlines() if line.strip()]
    found = [words[0] for words in lines if len(words) == 1 or words[-1].lstrip("*") == name]
    if not found:
        raise Failed(f"{release.checksums} does not name {name}")
    return found[0]


def _read(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_WITHIN) as answer:
            return str(answer.read().decode())
    except OSError as error:
        raise Failed(f"no answer ({error})") from None


def _fetch(address: str, target: Path) -> None:
    give_up = time.monotonic() + DONE_WITHIN
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_WITHIN) as answer, target.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
                if time.monotonic() > give_up:
                    raise Failed(f"took more than {DONE_WITHIN:.0f} s")
    except OSError as error:
        raise Failed(f"no answer ({error})") from None


def _unpack(archive: Path, member: str, target: Path) -> None:
    try:
        with tarfile.open(archive) as packed:
            source = packed.extractfile(member)
            if source is None:
                raise Failed(f"{member} in {archive.name} is no file")
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (tarfile.TarError, KeyError) as error:
        raise Failed(f"{archive.name} cannot be unpacked ({error})") from None
