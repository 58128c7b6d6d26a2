"""What a run shows while it goes on: bars on a terminal, plain lines elsewhere.

The words come from `core.progress`; results and tables are in `results`. Plain lines hold no escape codes: one a
training step, one for each new phase of an evaluation.
"""

from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gopd_operator.core.progress import Shown, duration


class Screen(Protocol):
    """Where a run says what it does."""

    def note(self, text: str) -> None:
        """Something that the reader should know, once."""

    def begin(self, step: str, number: int, count: int) -> None:
        """Step `number` of `count` starts."""

    def update(self, shown: Shown) -> None:
        """How the step stands; may be called again with the same."""

    def end(self, step: str, words: str, seconds: float) -> None:
        """The step has ended."""


class PlainScreen:
    """Lines of text, for files, pipes and terminals that cannot draw."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: object = None
        self._step = ""

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line."""
        self._say(text)

    def begin(self, step: str, number: int, count: int) -> None:
        """One line with the step's number and name."""
        self._step, self._last = step, None
        self._say(f"[{number}/{count}] {step}")

    def update(self, shown: Shown) -> None:
        """A line when the training step, the phase, the subject or the task is a new one."""
        in_steps = shown.unit == "step" and shown.done > 0
        key = shown.done if in_steps else (shown.title, shown.details)
        # That a step is over is said by `end`, with its time.
        if key != self._last and (in_steps or shown.title != "done"):
            self._last = key
            self._say(f"  {self._step}: {shown.line()}")

    def end(self, step: str, words: str, seconds: float) -> None:
        """One line with the time it took."""
        self._say(f"  {step}: {words} after {duration(seconds)}")


class BarScreen:
    """One bar for each step, the newest one moving."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._bar = TaskID(0)

    def note(self, text: str) -> None:
        """One line above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def begin(self, step: str, number: int, count: int) -> None:
        """A new bar, without a length until one is known."""
        self._close()
        self._progress = Progress(
            TextColumn(f"[bold]{number}/{count} {step}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._bar = self._progress.add_task("starting", total=None)
        self._progress.start()

    def update(self, shown: Shown) -> None:
        """Move the bar and say the rest beside it."""
        if self._progress is not None:
            self._progress.update(self._bar, description=shown.line(), completed=shown.done, total=shown.total or None)

    def end(self, step: str, words: str, seconds: float) -> None:
        """Leave the bar as it stands, with the outcome."""
        if self._progress is not None:
            total = self._progress.tasks[0].total or 1
            done = total if words == "done" else self._progress.tasks[0].completed
            self._progress.update(self._bar, description=words, total=total, completed=done)
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def screen_for(console: Console) -> Screen:
    """Bars on a terminal, plain lines elsewhere."""
    return BarScreen(console) if console.is_terminal else PlainScreen(console)
