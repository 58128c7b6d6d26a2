"""Processes that are killed at random moments and started again: what the tests of resuming share."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gopd_api.requests import EvalRequest
from gopd_eval.shell.progress import Watch

Step = Callable[[EvalRequest, Watch], object]
KILLS = 12


def watch_of(request: EvalRequest) -> Watch:
    return Watch(Path(request.paths.progress), request.digest())


def killed_after(seconds: float, step: Step, request: EvalRequest) -> bool:
    """Do the step in a process of its own that is killed after a while; true when it had ended before that."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            step(request, watch_of(request))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def killed_often(step: Step, request: EvalRequest, whole_seconds: float) -> int:
    """Start the step again and again, each time killed at a random moment, then once more to its end."""
    chance, kills = random.Random(7), 0
    for _ in range(KILLS):
        # Short enough that several starts are needed, also when the machine is suddenly much faster.
        if killed_after(chance.uniform(0, whole_seconds / 6), step, request):
            break
        kills += 1
    step(request, watch_of(request))
    return kills
