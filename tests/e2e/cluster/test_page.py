"""docs/operations.md on a whole cluster: the commands that need pods that run."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.cluster.page import ON_A_NODE, Block, blocks
from tests.e2e.cluster.clusters import REPOSITORY
from tests.e2e.cluster.installation import Installation, short_job
from tests.e2e.cluster.observing import Followed

pytestmark = pytest.mark.timeout(1200)
FORWARDED = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+)", flags=re.MULTILINE)
HEALTH = {"5000": "/health", "8080": "/healthz"}
"""What is asked at a port that a command has forwarded."""


@pytest.fixture(scope="module")
def exopd(installation: Installation, team: str) -> Iterator[Followed]:
    """A training of the name that the page's has, whose machines are there."""
    installation.apply(team, short_job("exopd"))
    followed = Followed(installation, team, "exopd")
    followed.wait("head that says something", lambda: followed.step() > 0)
    yield followed
    installation.access.kubectl("delete", "dj", "exopd", "-n", team)


@pytest.mark.usefixtures("exopd")
@pytest.mark.parametrize("block", [one for one in blocks() if one.not_run == ON_A_NODE], ids=lambda one: f"{one.line}")
def test_a_command_of_the_page_does_what_it_says(block: Block, installation: Installation) -> None:
    command = ["bash", "-euo", "pipefail", "-c", block.text]
    if "port-forward" not in block.text:
        shell = installation.access.shell()
        ended = subprocess.run(
            command, cwd=REPOSITORY, env=shell, capture_output=True, text=True, check=False, timeout=900
        )
        assert ended.returncode == 0, f"line {block.line}:\n{block.text}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        assert ended.stdout
        return
    with going_on(command, installation) as port:
        address = f"http://127.0.0.1:{port}{HEALTH[port]}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert answer.status == 200


@contextmanager
def going_on(command: list[str], installation: Installation) -> Iterator[str]:
    """A command that goes on until it is ended; the port that it forwards."""
    started = subprocess.Popen(
        command, cwd=REPOSITORY, env=installation.access.shell(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        said, give_up = "", time.monotonic() + 60
        while not (found := FORWARDED.search(said)):
            line = started.stdout.readline()
            said += line
            assert line, said
            assert time.monotonic() < give_up, said
        yield found[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        started.wait(30)
