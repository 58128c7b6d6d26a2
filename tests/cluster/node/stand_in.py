"""A stand-in for the public base image `python:3.11-slim-bookworm`, made of Debian's packages.

Decides what a machine without a registry builds our Dockerfiles on: the same Debian and the same minor version of
Python, with the programs where the public image has them, and the certificates that this machine trusts, as a company's
own base image has them. Its Python is Debian's build of 3.11, not that of python.org.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "python3-pip")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Where Debian keeps the certificates that are trusted; SSL_CERT_FILE goes first."""
UNWANTED = (
    "usr/lib/python3.11/EXTERNALLY-MANAGED",  # the public image lets pip install, too
    "etc/resolv.conf",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
)
PLACES = {
    "usr/local/bin/python3.11": "/usr/bin/python3.11",
    "usr/local/bin/python3": "python3.11",
    "usr/local/bin/python": "python3",
}


class Failed(RuntimeError):
    """debootstrap is missing or ended with an error."""


def authorities() -> str:
    """The certificates that this machine trusts."""
    path = Path(os.environ.get("SSL_CERT_FILE") or AUTHORITIES)
    return path.read_text() if path.exists() else ""


def make(root: Path) -> None:
    """Make the root file system in the folder `root`, in about two minutes. Raises Failed."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
    _run([*command, *_mirror()])
    for name in UNWANTED:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)
    for name, target in PLACES.items():
        (root / name).symlink_to(target)
    _trust(root, authorities())


def _trust(root: Path, given: str) -> None:
    """Certificates that Debian does not have itself, and where pip and uv look for all of them."""
    theirs = (root / AUTHORITIES.relative_to("/")).read_text()
    pattern = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
    for number, text in enumerate(text for text in pattern.findall(given) if text.strip() not in theirs):
        (root / "usr/local/share/ca-certificates" / f"of-this-machine-{number}.crt").write_text(text)
    _run(["chroot", str(root), "update-ca-certificates"])
    (root / "etc/pip.conf").write_text(f"[global]\ncert = {AUTHORITIES}\n")
    (root / "etc/uv").mkdir(exist_ok=True)
    (root / "etc/uv/uv.toml").write_text("system-certs = true\n")


def _mirror() -> list[str]:
    """Where this machine's own packages of the suite come from; nothing where apt does not say so."""
    if shutil.which("apt-get") is None:
        return []
    words = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Codename: {SUITE}"]
    shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
    return [next((site for site in shown if site.rstrip("/").endswith("debian")), "")] if shown else []


def _run(command: list[str]) -> None:
    # Not this environment: a TMPDIR of ours is no folder inside the new root.
    environment = {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"} | {
        name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")
    }
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is missing; `apt-get install -y --no-install-recommends {command[0]}`") from None
    if ended.returncode:
        last = " | ".join((ended.stdout + ended.stderr).strip().splitlines()[-3:])
        raise Failed(f"`{command[0]}` ended with {ended.returncode}: {last}")
