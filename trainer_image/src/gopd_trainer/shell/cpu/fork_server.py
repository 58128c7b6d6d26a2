"""A fork server for Ray's workers: verl is imported once, and each worker is forked from that import.

Importing verl with torch takes 10 s and 0.7 GiB a process, and a training has about eight. Ray starts its workers with
`runtime_env.py_executable` (public); here that is `fork_client`, which asks this server for a fork and ends. When the
server cannot be reached the client starts an ordinary Python: slower, nothing else.

Limits: local single-node trainings on processors only (a forked CUDA context is not valid). Two private details of Ray
2.60 are touched: `ray._raylet.Config.initialize`, and RAY_JOB_ID and RAY_RAYLET_PID, which ray reads on import.
"""

import array
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import NoReturn

PRELOADED = (
    "verl.trainer.main_ppo",
    "verl.trainer.ppo.v1",
    "verl.workers.engine_workers",
    "verl.workers.engine.fsdp.transformer_impl",
    "verl.experimental.agent_loop.single_turn_agent_loop",
    "verl.experimental.reward_loop",
    "verl.experimental.teacher_loop",
    "transfer_queue",
    "transformers.models.auto.modeling_auto",
    "torch.distributed.fsdp",
    "torch.distributed.checkpoint",
    "ray._private.workers.default_worker",
    "gopd_trainer.shell.trainer",
    "gopd_trainer.shell.agent_loop",
    "gopd_trainer.shell.loss",
    "gopd_trainer.shell.cpu.host",
    "gopd_trainer.shell.cpu.engine",
)
FIRST_JOB = "01000000"
"""Ray's id of the first job of a fresh local cluster."""
Asked = tuple[list[str], dict[str, str], str]
"""A worker's arguments, environment and folder."""
HEADER = 8
"""Bytes that tell the length of a message."""


def preload() -> None:
    """Import everything that workers need. Must come before any other import of ray in this process."""
    given = {"RAY_JOB_ID": FIRST_JOB, "RAY_RAYLET_PID": str(os.getpid())}
    os.environ.update(given)
    for name in PRELOADED:
        importlib.import_module(name)
    for name in given:
        del os.environ[name]


def start() -> str:
    """Fork the server from this process, which must have no other thread, and return the worker command for Ray."""
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        raise RuntimeError(f"a fork needs a process without threads, and there are {others}")
    path = Path(tempfile.mkdtemp(prefix="gopd-fork-")) / "socket"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)
    parent_gone, kept_by_parent = os.pipe()
    gc.collect()
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        os.close(kept_by_parent)
        _serve(listener, parent_gone)
    listener.close()
    os.close(parent_gone)
    os.set_inheritable(kept_by_parent, False)
    client = Path(__file__).with_name("fork_client.py")
    return f"{sys.executable} -I -S {client} {path}"


def _serve(listener: socket.socket, parent_gone: int) -> NoReturn:
    """Fork a worker for each request, until the parent is gone."""
    import ray._raylet

    # Its first call moves the environment's memory: that must happen before a child replaces its environment.
    ray._raylet.setproctitle("gopd::fork-server")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            ready, _, _ = select.select([listener.fileno(), parent_gone], [], [])
            if parent_gone in ready:
                break
            connection, _ = listener.accept()
            with connection:
                _fork_for(connection, listener, parent_gone)
    except OSError:
        traceback.print_exc()  # Ray's workers are ordinary Pythons from here on
    finally:
        os._exit(0)


def _fork_for(connection: socket.socket, listener: socket.socket, parent_gone: int) -> None:
    """Fork for one client. One that went away, or a machine without room for a process, ends nobody else's work."""
    files: list[int] = []
    asked: Asked = ([], {}, "/")
    child = -1
    try:
        asked = _receive(connection, files)
        child = os.fork()
        if child != 0:
            connection.sendall(child.to_bytes(HEADER, "little"))
    except (OSError, ValueError, EOFError):
        traceback.print_exc()  # a client that is still there falls back to an ordinary Python
    if child == 0:
        listener.close()
        os.close(parent_gone)
        connection.close()
        _become_worker(*asked, files)
    for file in files:
        os.close(file)


def _receive(connection: socket.socket, files: list[int]) -> Asked:
    """What a client asks for. `files` takes its open files as soon as they are here, whatever comes of the rest."""
    header, ancillary, _, _ = connection.recvmsg(HEADER, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    if len(header) < HEADER or not ancillary:
        raise EOFError("a client went away before it asked")
    received = array.array("i")
    received.frombytes(ancillary[0][2][: 3 * received.itemsize])
    files += received
    length, body = int.from_bytes(header, "little"), b""
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            raise EOFError("a client went away while it asked")
        body += part
    arguments, environment, folder = json.loads(body)
    return arguments, environment, folder


def _become_worker(arguments: list[str], environment: dict[str, str], folder: str, files: list[int]) -> NoReturn:
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        if file > 2:
            os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    code = 1
    try:
        from ray._raylet import Config  # type: ignore[attr-defined]

        Config.initialize("")  # what ray read from the environment when it was imported is read again
        import torch

        torch.set_num_threads(int(environment.get("OMP_NUM_THREADS") or 1))
        while arguments and arguments[0].startswith("-"):
            arguments = arguments[1:]
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001  the last frame of a process: its log is the only place left to tell
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
