"""Getting into a cluster: as its administrator or as a service account, by API, kubectl and Helm.

Decides how kubeconfigs are written and tokens asked for. How a cluster comes to be is no business of this module: what
is here works with one that somebody else has started, too, by its KUBECONFIG (`by_kubeconfig`).
"""

import base64
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.api import SERVICE_ACCOUNTS, Api

COMMAND_SECONDS = 330
"""Longer than anything that is waited for with kubectl or Helm."""


class Foreign(RuntimeError):
    """A kubeconfig that the tests cannot use."""


class Access:
    """Administrator's access to a cluster. `folder` is for kubeconfigs and caches."""

    folder: Path
    server: str
    authority: Path
    admin_kubeconfig: Path
    api: Api

    def kubeconfig(self, token: str, target: Path, server: str = "") -> Path:
        """Write a kubeconfig for a bearer token, as JSON, which is YAML; by default straight to the API server."""
        cluster = {"server": server or self.server, "certificate-authority": str(self.authority)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        target.touch(mode=0o600)
        target.write_text(json.dumps(document, indent=1))
        return target

    def account_token(self, namespace: str, account: str, seconds: int = 86400) -> str:
        """A token of a ServiceAccount, by TokenRequest."""
        path = SERVICE_ACCOUNTS.path(namespace, account, "token")
        return str(self.api.request("POST", path, {"spec": {"expirationSeconds": seconds}})["status"]["token"])

    def account_kubeconfig(self, namespace: str, account: str, server: str = "") -> Path:
        """A kubeconfig of a ServiceAccount, with its rights and no others."""
        target = self.folder / f"{namespace}-{account}-{secrets.token_hex(3)}.kubeconfig"
        return self.kubeconfig(self.account_token(namespace, account), target, server)

    def account_api(self, namespace: str, account: str) -> Api:
        """A client with a ServiceAccount's rights."""
        return Api(self.server, self.account_token(namespace, account), self.authority)

    def kubectl(
        self, *words: str | Path, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as admin by default. With `check`, a failure is an AssertionError that holds its words."""
        return self._command("kubectl", words, stdin, check=check, kubeconfig=kubeconfig)

    def helm(
        self, *words: str | Path, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Helm, as admin by default, with caches and configuration of its own."""
        return self._command("helm", words, stdin, check=check, kubeconfig=kubeconfig)

    def shell(self) -> dict[str, str]:
        """The environment of an administrator's shell: kubectl, helm and our own commands on PATH, and a KUBECONFIG."""
        homes = {f"HELM_{kind}_HOME": f"{self.folder}/helm-{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}
        programs = [binaries.program("kubectl").parent, binaries.program("helm").parent, Path(sys.executable).parent]
        path = ":".join([*map(str, programs), os.environ["PATH"]])
        kubernetes = {"KUBECACHEDIR": f"{self.folder}/discovery", "KUBECONFIG": str(self.admin_kubeconfig)}
        return {**os.environ, **homes, **kubernetes, "PATH": path}

    @contextmanager
    def beside(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """kubectl as long as the context lasts, for commands that go on: watches, forwarded ports."""
        command = [str(binaries.program("kubectl")), *words]
        pipe = subprocess.PIPE
        started = subprocess.Popen(command, env=self.shell(), stdout=pipe, stderr=subprocess.STDOUT, text=True)
        try:
            yield started
        finally:
            started.terminate()
            started.wait(30)

    @contextmanager
    def forwarded(self, namespace: str, what: str, port: int) -> Iterator[int]:
        """The port of this machine that leads to a port of a service or pod."""
        with self.beside("port-forward", "-n", namespace, what, f":{port}") as started:
            assert started.stdout is not None
            line = started.stdout.readline()
            found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", line)
            assert found, line + started.stdout.read()
            yield int(found[1])

    def _command(
        self, name: str, words: tuple[str | Path, ...], stdin: str | None, *, check: bool, kubeconfig: Path | None
    ) -> subprocess.CompletedProcess[str]:
        command = [str(binaries.program(name)), *map(str, words)]
        environment = self.shell()
        if kubeconfig is not None:
            environment["KUBECONFIG"] = str(kubeconfig)
        ended = subprocess.run(
            command, input=stdin, env=environment, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )
        if check and ended.returncode:
            raise AssertionError(f"{name} {' '.join(map(str, words))}: {ended.stderr or ended.stdout}")
        return ended


def by_kubeconfig(path: Path, folder: Path) -> Access:
    """Access to a cluster that is there already: a kubeconfig's current context, with a token or a certificate."""
    access = Access()
    access.folder, access.admin_kubeconfig = folder, path
    shown = access.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout
    document = json.loads(shown)
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    access.server, access.authority = cluster["server"], folder / "authority.crt"
    access.authority.write_bytes(base64.b64decode(cluster.get("certificate-authority-data", "")))
    certificate = None
    if "client-certificate-data" in user:
        certificate = (folder / "client.crt", folder / "client.key")
        for one, key in zip(certificate, ("client-certificate-data", "client-key-data"), strict=True):
            one.touch(mode=0o600)
            one.write_bytes(base64.b64decode(user[key]))
    elif "token" not in user:
        raise Foreign(f"{path}: its user has neither token nor client certificate; the tests need one of them")
    access.api = Api(access.server, user.get("token", ""), access.authority, certificate)
    return access
