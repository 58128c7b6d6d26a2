"""Fixtures of the operator's tests."""

import sys
from pathlib import Path

import pytest

# pytest imports test files by path and leaves sys.path alone; what they share is found from the repository's root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.operator.workplace import Workplace, workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A work directory with inputs that fit together."""
    return workplace(tmp_path)
