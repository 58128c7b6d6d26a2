"""Fixtures of the chart's tests: helm has to be there, and the default rendering is made once."""

import os

import pytest
from tests.charts import rendering
from tests.charts.rendering import Manifest
from tests.cluster import binaries


@pytest.fixture(scope="session", autouse=True)
def helm_program() -> None:
    try:
        rendering.helm()
    except binaries.Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no helm on this machine: {error}")


@pytest.fixture(scope="session")
def objects(helm_program: None) -> list[Manifest]:
    """The chart with its own values."""
    return rendering.render()
