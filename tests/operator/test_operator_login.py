"""Where the operator finds the API server and who it is: a token in a kubeconfig, or a program that gives one."""

import sys
from pathlib import Path

import kopf
import pytest
import yaml

from gopd_operator.shell.cluster.main import login

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
    found = login(kopf.OperatorSettings())
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
    found = login(kopf.OperatorSettings())
    assert (found.server, found.token) == ("https://127.0.0.1:1", "from-the-program")


def test_nothing_that_says_where_the_cluster_is_ends_the_program_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        login(kopf.OperatorSettings())
    assert ended.value.code == 1
    assert "KUBECONFIG" in capsys.readouterr().err
