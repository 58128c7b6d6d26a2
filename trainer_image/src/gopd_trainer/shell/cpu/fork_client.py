"""Run by Ray instead of Python: `python -I -S fork_client.py SOCKET default_worker.py ...` asks for a fork.

`fork_server` answers. Imports next to nothing, because it runs once a worker. Becomes an ordinary Python when
the server does not answer.
"""

import json
import os
import socket
import sys

HEADER = 8
path, arguments = sys.argv[1], sys.argv[2:]
try:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.connect(path)
    message = json.dumps((arguments, dict(os.environ), os.getcwd())).encode()  # noqa: PTH109  pathlib is not imported here
    socket.send_fds(server, [len(message).to_bytes(HEADER, "little")], [0, 1, 2])
    server.sendall(message)
    forked = server.recv(HEADER)
except OSError:
    forked = b""
if not forked:
    os.execv(sys.executable, [sys.executable, *arguments])
