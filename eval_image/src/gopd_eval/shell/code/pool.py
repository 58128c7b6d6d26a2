"""Runs work in several slots at once: whatever asks for runs is a generator that is sent how each run ended.

It decides which slot does what next. It knows nothing of tests and verdicts.
"""

import selectors
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from gopd_eval.shell.code.inside import landlock, lockdown
from gopd_eval.shell.code.run import Ended, Run
from gopd_eval.shell.code.slot import Slot

T = TypeVar("T")
Task = Generator[Run | None, Ended | None, T]
"""Gives runs and takes their ends; gives None to wait until another task has gone on; returns its result."""
TICK = 0.01
MOST_WAITING = 16


class Pool:
    """Use as a context manager: leaving it ends every process."""

    def __init__(self, slots: int, beat: Callable[[], None], *, with_landlock: bool = True) -> None:
        self._slots = [Slot(number, with_landlock=with_landlock) for number in range(slots)]
        self._beat = beat
        self._confined = with_landlock and landlock.version() > 0
        self._was_hidden = 0

    def __enter__(self) -> Self:
        if not self._confined:  # a program of the same user could read expected values out of this process
            self._was_hidden = lockdown.hide()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in self._slots:
            slot.close()
        if not self._confined:
            lockdown.hide(self._was_hidden)

    @property
    def slots(self) -> list[Slot]:
        """For a look from outside."""
        return self._slots

    def do(self, tasks: Iterable[Task[T]]) -> Iterator[T]:
        """The results, as they come. `tasks` is read as slots come free."""
        source, waiting = iter(tasks), deque[Task[T]]()
        busy: dict[Slot, Task[T]] = {}
        free = list(self._slots)
        try:
            while True:
                while free and (found := self._next(source, waiting)):
                    task, asked = found
                    if isinstance(asked, Run):
                        busy[free[-1]] = task
                        free.pop().start(asked)
                    else:
                        yield asked[0]
                if not busy:
                    if waiting:
                        raise RuntimeError("tasks wait for others and there are none")
                    return
                yield from self._look(busy, free)
        finally:
            for slot in busy:
                slot.close()  # the caller has enough: what runs is of no use any more
            for task in (*busy.values(), *waiting):
                task.close()

    def _next(self, source: Iterator[Task[T]], waiting: deque[Task[T]]) -> tuple[Task[T], Run | tuple[T]] | None:
        """A task and what it asks for first, or its result in a tuple; those that have waited come first."""
        for _ in range(len(waiting)):
            task = waiting.popleft()
            if (asked := _advance(task, None)) is not None:
                return task, asked
            waiting.append(task)
        while len(waiting) < MOST_WAITING and (new := next(source, None)) is not None:
            if (asked := _advance(new, None)) is not None:
                return new, asked
            waiting.append(new)
        return None

    def _look(self, busy: dict[Slot, Task[T]], free: list[Slot]) -> Iterator[T]:
        """One tick: the results of tasks that have ended."""
        self._beat()
        with selectors.DefaultSelector() as selector:
            for slot in busy:
                if slot.pid is not None:
                    selector.register(slot, selectors.EVENT_READ)
            selector.select(TICK)
        for slot, task in list(busy.items()):
            ended = slot.tick()
            if ended is None:
                continue
            asked = _advance(task, ended)
            if isinstance(asked, Run):
                slot.start(asked)
                continue
            del busy[slot]
            free.append(slot)
            if asked is None:
                raise RuntimeError("a task waits only before its first run")
            yield asked[0]


def _advance(task: Task[T], ended: Ended | None) -> Run | tuple[T] | None:
    try:
        return task.send(ended)
    except StopIteration as stop:
        return (stop.value,)
