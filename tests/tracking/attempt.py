"""A process that logs steps, as an attempt of a training does: URI EXPERIMENT UID SPOOL FIRST LAST PAUSE END.

Says on standard output when it has begun, each step that it has logged, and what closing left. It also reports any
network connection that is tried in it, and prevents it.
"""

import sys
import time
from pathlib import Path

from gopd_api.requests import TrackingRequest
from gopd_tracking import RunStatus, Tracker


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def on_audit(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        say(f"network {event} {arguments}")
        raise PermissionError("an attempt that writes to a file has nobody to call")


def main(uri: str, experiment: str, uid: str, spool: str, first: int, last: int, pause: float, end: RunStatus) -> None:
    sys.addaudithook(on_audit)
    heavy = sorted({"mlflow", "torch", "ray", "transformers"} & set(sys.modules))
    say(f"imported {heavy}")
    tracker = Tracker.attach(TrackingRequest(uri=uri, experiment=experiment, run_name=uid), uid, Path(spool))
    for step in range(first, last + 1):
        tracker.metrics(step, {"train/loss": 1 / step, "kl/teacher": 2 / step, "perf/seconds": pause})
        say(f"step {step}")
        time.sleep(pause)
    say(f"left {tracker.close(end, timeout=60)}")


if __name__ == "__main__":
    uri, experiment, uid, spool, first, last, pause, end = sys.argv[1:]
    main(uri, experiment, uid, spool, int(first), int(last), float(pause), end)  # type: ignore[arg-type]
