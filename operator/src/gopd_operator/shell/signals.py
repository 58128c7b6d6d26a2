"""Ctrl-C and its like while a job runs: counted, not thrown, so that no step is interrupted half-way.

SIGINT, SIGTERM and (unless it is ignored, as under nohup) SIGHUP count alike. It decides nothing: the executor does.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopping:
    """How often the person, or the system, has asked to stop."""

    def __init__(self) -> None:
        self.asked = 0

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1


@contextmanager
def counted() -> Iterator[Stopping]:
    """Count signals until the end of the block, then put the earlier handling back. Main thread only."""
    stopping = Stopping()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    earlier = {number: signal.signal(number, stopping._count) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
