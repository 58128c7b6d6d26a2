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
SIZE = "1600,1800"
DRAWING_MILLISECONDS = 60_000
"""Of the page's own clock, which goes on while nothing is fetched."""


def browser() -> str:
    """The browser's command; installed where `GOPD_E2E_INSTALL=1` says so, else the test is skipped by its name."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None and os.environ.get("GOPD_E2E_INSTALL") == "1":
        preflight.install(["chromium"])
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium; `apt-get install -y --no-install-recommends chromium`, or set GOPD_E2E_INSTALL=1")
    return found


def look(address: str, words: list[str], picture: Path, drawn: str = "") -> None:
    """Draw the page into a file once it shows all words, and something of the class `drawn`.

    Raises AssertionError with what it shows instead.
    """
    command, give_up = browser(), time.monotonic() + PATIENCE
    while True:
        page = _page(command, address, picture)
        text = html.unescape(re.sub(r"<[^>]+>", " ", page))
        missing = [word for word in words if word not in text]
        if not missing and drawn in page:
            return
        assert time.monotonic() < give_up, f"{address} does not show {missing or drawn}:\n{text[:3000]}"


def _page(command: str, address: str, picture: Path) -> str:
    """The page's elements once it has been drawn, without programs and styles."""
    with tempfile.TemporaryDirectory(prefix="gopd-browser-") as profile:
        words = [
            command, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            f"--user-data-dir={profile}", f"--window-size={SIZE}", f"--virtual-time-budget={DRAWING_MILLISECONDS}",
            f"--screenshot={picture}", "--dump-dom", address,
        ]  # fmt: skip
        shown = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert picture.exists(), shown.stderr[-2000:]
    return re.sub(r"<(script|style)\b.*?</\1>", " ", shown.stdout, flags=re.DOTALL)
