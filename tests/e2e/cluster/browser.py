"""A page as a person sees it: headless Chromium draws it into a picture, and tells the text that it shows.

Decides how the browser is run and how long a page may take. What should be on a page is the tests' business.
"""

import html
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from tests.cluster.node import preflight

PATIENCE = 120.0
SIZE = "1400,1000"


def browser() -> str:
    """The browser's command; installed where `GOPD_E2E_INSTALL=1` says so, else the test is skipped by its name."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None and os.environ.get("GOPD_E2E_INSTALL") == "1":
        preflight.install(["chromium"])
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium; `apt-get install -y --no-install-recommends chromium`, or set GOPD_E2E_INSTALL=1")
    return found


def look(address: str, words: list[str], picture: Path) -> None:
    """Draw the page into a file once it shows all words. Raises AssertionError with what it shows instead."""
    command, give_up = browser(), time.monotonic() + PATIENCE
    while missing := [word for word in words if word not in (text := _text(command, address, picture))]:
        assert time.monotonic() < give_up, f"{address} does not show {missing}:\n{text[:3000]}"


def _text(command: str, address: str, picture: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="gopd-browser-") as profile:
        words = [
            command, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            f"--user-data-dir={profile}", f"--window-size={SIZE}", "--virtual-time-budget=20000",
            f"--screenshot={picture}", "--dump-dom", address,
        ]  # fmt: skip
        shown = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert picture.exists(), shown.stderr[-2000:]
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", shown.stdout, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))
