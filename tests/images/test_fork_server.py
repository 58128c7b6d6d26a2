"""The fork server outlives clients that go away and a machine without room for a process, and leaks no open file."""

import errno
import json
import os
import socket
from collections.abc import Iterator

import pytest

from gopd_trainer.shell.cpu import fork_server
from gopd_trainer.shell.cpu.fork_server import HEADER


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket, int]]:
    """Client, server, and a pipe's reading end whose writing end only the server holds, as the client's output."""
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    reading, writing = os.pipe()
    message = json.dumps((["worker.py"], {}, "/")).encode()
    socket.send_fds(client, [len(message).to_bytes(HEADER, "little")], [writing] * 3)
    client.sendall(message)
    os.close(writing)
    yield client, server, reading
    client.close()
    server.close()
    os.close(reading)


def serve(server: socket.socket) -> None:
    fork_server._fork_for(server, server, -1)


def test_a_client_that_was_killed_before_its_answer_ends_nothing(
    ends: tuple[socket.socket, socket.socket, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server, reading = ends
    monkeypatch.setattr(os, "fork", lambda: 4242)
    client.close()
    serve(server)
    assert os.read(reading, 1) == b"", "its files are closed"


def test_without_room_for_a_process_the_client_gets_no_answer_and_falls_back(
    ends: tuple[socket.socket, socket.socket, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server, reading = ends

    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", fork)
    serve(server)
    server.close()
    assert client.recv(HEADER) == b""
    assert os.read(reading, 1) == b""


def test_a_client_that_went_away_while_it_asked_leaves_no_open_file(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    reading, writing = os.pipe()
    socket.send_fds(client, [(100).to_bytes(HEADER, "little")], [writing] * 3)
    os.close(writing)
    client.close()
    with server:
        serve(server)
    assert os.read(reading, 1) == b""
    os.close(reading)
