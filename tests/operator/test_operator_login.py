"""Where the operator finds the API server and who it is: a token in a kubeconfig, or a program that gives one."""

import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import kopf
import pytest
import yaml
from click.testing import CliRunner

from gopd_operator.shell.cluster.login import Login, find
from gopd_operator.shell.cluster.main import main

PROGRAM = """
import json
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": "from-the-program"}}))
"""


def kubeconfig(folder: Path, user: dict[str, object]) -> str:
    """A kubeconfig with one user."""
    target = folder / "config"
    target.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "me", "user": user}],
            }
        )
    )
    return str(target)


def test_a_token_in_the_kubeconfig_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"token": "written-down"}))
    found = find(kopf.OperatorSettings())
    assert (found.server, found.token) == ("https://127.0.0.1:1", "written-down")


def test_a_program_in_the_kubeconfig_is_asked_for_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    asked = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(program)],
        "interactiveMode": "Never",
    }
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"exec": asked}))
    # The official client reads the variable once, when it is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    found = find(kopf.OperatorSettings())
    assert (found.server, found.token) == ("https://127.0.0.1:1", "from-the-program")


def test_nothing_that_says_where_the_cluster_is_ends_the_program_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = CliRunner().invoke(main, [])
    assert ended.exit_code == 1
    assert "KUBECONFIG" in ended.output


def test_a_login_that_was_refused_is_read_anew_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"token": "first"}))
    login = Login(kopf.OperatorSettings())
    first = login.now()
    kubeconfig(tmp_path, {"token": "second"})
    assert login.now().token == "first", "nobody has refused it"
    assert login.renewed(first).token == "second"
    kubeconfig(tmp_path, {"token": "third"})
    assert login.renewed(first).token == "second", "somebody else has renewed it since"


def test_a_pods_token_is_read_anew_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    written = ["first"]

    def in_a_pod(**_: object) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server="https://kubernetes.default.svc", token=written[-1])

    monkeypatch.setattr(kopf, "login_with_service_account", in_a_pod)
    login = Login(kopf.OperatorSettings())
    written.append("second")
    assert login.now().token == "first"
    monkeypatch.setattr("gopd_operator.shell.cluster.login.datetime", Later)
    assert login.now().token == "second"
    same = login.now()
    assert same is login.now(), "read a moment ago"


def test_a_pods_token_that_is_refused_and_still_the_same_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def in_a_pod(**_: object) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="the only one")

    monkeypatch.setattr(kopf, "login_with_service_account", in_a_pod)
    login = Login(kopf.OperatorSettings())
    refused = login.now()
    assert login.renewed(refused) == refused, "kopf would ask again at once, for ever"
    monkeypatch.setattr("gopd_operator.shell.cluster.login.datetime", Later)
    later, before = login.now().expiration, refused.expiration
    assert later is not None and before is not None and later > before, "it holds for longer, once it is old"


class Later(datetime):
    """A quarter of an hour from now."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(minutes=15)
