"""How a stand-in behaves: settings from `behaviour.json` in the storage root, and what every stand-in does alike."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path


def settings(root: Path) -> dict:
    file = root / "behaviour.json"
    return json.loads(file.read_text()) if file.exists() else {}


def now() -> str:
    return datetime.now(UTC).isoformat()


def write(path: str, text: str) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".part")
    temporary.write_text(text)
    temporary.replace(target)


def hang() -> None:
    """Deaf to SIGTERM and silent, as a process that is stuck in a driver is."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def start_daemon(root: Path) -> None:
    """A daemon that leaves the session, as Ray's do."""
    daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (root / "daemon.pid").write_text(str(daemon.pid))
