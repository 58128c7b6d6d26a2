"""Fixtures of the chart's tests: helm has to be there, and the default rendering is made once."""

import pytest
from tests.charts import rendering
from tests.charts.rendering import Manifest


@pytest.fixture(scope="session", autouse=True)
def helm_program() -> str:
    try:
        return rendering.helm()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def objects(helm_program: str) -> list[Manifest]:
    """The chart with its own values."""
    return rendering.render()
