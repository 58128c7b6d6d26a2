"""Grades answers to code problems: extraction, a run in the sandbox, comparison here. So far the contract only.

It decides in which order samples run and which limits they get. What a sandbox holds off is decided by its own modules.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gopd_eval.core.code.tests import CodeTests
from gopd_eval.core.grading import Preset
from gopd_eval.core.samples import Grade, Sample


@dataclass(frozen=True)
class CodeWork:
    """One answer and the tests of its problem."""

    sample: Sample
    tests: CodeTests


class CodeGrader:
    """Grades with `slots` programs running at once. Use as a context manager: leaving it ends every process."""

    def __init__(self, beat: Callable[[], None], slots: int | None = None) -> None:
        self._beat, self._slots = beat, slots

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def isolation(self) -> str:
        """What the sandbox enforces on this kernel, for the result."""
        raise NotImplementedError

    def grade(self, work: Iterable[CodeWork], preset: Preset) -> Iterator[Grade]:
        """A grade for each piece of work, as they finish: `problem` and `sample` say which it is.

        `work` is read as slots come free, so tests can be loaded as they are needed.
        """
        raise NotImplementedError
