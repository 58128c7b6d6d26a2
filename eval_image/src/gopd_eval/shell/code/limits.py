"""How long and how large a program may be, by preset: processor time and sleep, never the wall clock.

`seed` has the limits of the published commands (EvalPlus at least 10 s a test and 8 times the reference, LiveCodeBench
60 s a test), `strict` those of the graders' authors (4 s and 4 times; 6 s).
"""

from gopd_eval.core.code.values import Preset
from gopd_eval.core.code.verdicts import Reference
from gopd_eval.shell.code.run import GIB

LEAST: dict[Preset, float] = {"strict": 4.0, "seed": 10.0}
FACTOR: dict[Preset, float] = {"strict": 4.0, "seed": 8.0}
CASE: dict[Preset, float] = {"strict": 6.0, "seed": 60.0}
WHOLE = 60.0
"""All tests of a function together, beside twice what the reference takes."""
REFERENCE_TEST, REFERENCE_WHOLE = 120.0, 600.0
MEMORY = 4 * GIB
MEMORY_OF_A_LARGE_TASK = 12 * GIB
"""For tasks whose reference does not fit into the usual limit."""


def test_seconds(reference: Reference, preset: Preset, number: int) -> float:
    """Limit of one test of a function."""
    known = reference.seconds[number] if number < len(reference.seconds) else 0.0
    return max(LEAST[preset], FACTOR[preset] * known)


def whole_seconds(reference: Reference) -> float:
    """Limit of all tests of a function."""
    return WHOLE + 2 * sum(reference.seconds)
