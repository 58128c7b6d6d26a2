"""A small stand-in for the API server: one ConfigMap with resourceVersions, merge patches, and faults on command."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gopd_api.requests import PublishTo
from gopd_trainer.shell.config_map import Access, ConfigMap

TARGET = PublishTo(namespace="team", config_map="job-progress")
PATH = "/api/v1/namespaces/team/configmaps/job-progress"


class ApiServer:
    """Listens on loopback. `fault` is a status to refuse with, or "hang"; None for a healthy server."""

    def __init__(self, folder: Path) -> None:
        self.data: dict[str, str] = {}
        self.version, self.fault = 1, None  # type: int, int | str | None
        self.patches: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.tokens: list[str] = []
        self.asked = 0
        self.token = folder / "token"
        self.token.write_text("first\n")
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self, None)

            def do_PATCH(self) -> None:
                assert self.headers["Content-Type"] == "application/merge-patch+json"
                outer.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_: Any) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()

    def config_map(self, timeout: float = 1.0) -> ConfigMap:
        """The trainer's way to it."""
        return ConfigMap(TARGET, Access("127.0.0.1", self.port, self.token, None), timeout)

    def somebody_writes(self, **data: str) -> None:
        """Another client changes the ConfigMap."""
        self.data |= data
        self.version += 1

    def answer(self, handler: BaseHTTPRequestHandler, patch: dict[str, Any] | None) -> None:
        self.asked += 1
        self.tokens.append(handler.headers["Authorization"])
        if self.fault == "hang":
            time.sleep(3)
            return
        status, body = self._outcome(handler.path, patch)
        text = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _outcome(self, path: str, patch: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if isinstance(self.fault, int):
            return self.fault, {"kind": "Status", "message": f"refused with {self.fault}"}
        if path != PATH:
            return 404, {"message": f"{path} not found"}
        if patch is not None:
            if patch["metadata"]["resourceVersion"] != str(self.version):
                return 409, {"message": "the object has been modified"}
            self.patches.append(patch["data"])
            self.times.append(time.monotonic())
            merged = {**self.data, **patch["data"]}
            self.data = {key: value for key, value in merged.items() if value is not None}
            self.version += 1
        return 200, {"metadata": {"resourceVersion": str(self.version)}, "data": self.data}
