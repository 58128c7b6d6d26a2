"""The rig itself: that it starts and ends, that what it plays is what the real ones write, that its faults happen."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster.api import CONFIG_MAPS, CUSTOM_KINDS, NAMESPACES, PODS, ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.node import leaving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def test_every_definition_is_established(control_plane: ControlPlane) -> None:
    names = [one["metadata"]["name"] for one in control_plane.api.list(CUSTOM_KINDS)]
    assert {"distillationjobs.gopd.io", "evaljobs.gopd.io", "rayjobs.ray.io", "rayclusters.ray.io"} <= set(names)
    assert [name for name in names if not control_plane.established(name)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_by_kubectl_apply(control_plane: ControlPlane, namespace: str, example: Path) -> None:
    answer = control_plane.kubectl("apply", "--dry-run=server", "-n", namespace, "-f", example).stdout
    assert "created (server dry run)" in answer


def test_a_service_account_has_its_own_rights_and_no_others(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(ApiError) as refusal:
        control_plane.account_api(namespace, "default").list(CONFIG_MAPS, namespace)
    assert refusal.value.status == 403
    assert f"system:serviceaccount:{namespace}:default" in refusal.value.message
    kubeconfig = control_plane.account_kubeconfig(namespace, "default")
    allowed = control_plane.kubectl(
        "auth", "can-i", "list", "pods", "-n", namespace, kubeconfig=kubeconfig, check=False
    )
    assert allowed.stdout.strip() == "no"


def test_what_an_owner_owned_is_collected(control_plane: ControlPlane, namespace: str) -> None:
    api = control_plane.api
    owner = api.create(CONFIG_MAPS, namespace, {"metadata": {"name": "owner"}})["metadata"]
    owners = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}]
    api.create(CONFIG_MAPS, namespace, {"metadata": {"name": "owned", "ownerReferences": owners}})
    api.delete(CONFIG_MAPS, namespace, "owner")
    give_up = time.monotonic() + 30
    while api.find(CONFIG_MAPS, namespace, "owned") and time.monotonic() < give_up:
        time.sleep(0.05)
    assert api.find(CONFIG_MAPS, namespace, "owned") is None


def test_the_api_server_comes_back_with_what_it_held(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.create(CONFIG_MAPS, namespace, {"metadata": {"name": "kept"}})
    before = control_plane.api_server.pid
    control_plane.restart_api_server(kill=True)
    assert control_plane.api_server.pid != before
    assert control_plane.api.find(CONFIG_MAPS, namespace, "kept")
    assert control_plane.api.list(PODS, namespace) == []


def test_nothing_is_left_of_a_control_plane_whose_tests_were_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from tests.cluster.control_plane import ControlPlane\n"
        "with ControlPlane(definitions=[]) as c:\n"
        "    print(c.folder, c.etcd.pid, c.api_server.pid, c.controllers.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )
    assert ended.returncode == -9, ended.stderr
    folder, *pids = ended.stdout.split()
    give_up = time.monotonic() + 10
    left = pids
    while left and time.monotonic() < give_up:
        left = [pid for pid in left if _lives(pid)]
        time.sleep(0.1)
    assert left == []
    with ControlPlane(definitions=[]):
        assert not Path(folder).exists(), "the folder of a killed run is removed by the next"


def test_what_a_killed_start_asked_of_containerd_is_found_and_ended(tmp_path: Path) -> None:
    mine, others = tmp_path / "run" / "containerd.sock", tmp_path / "other.sock"
    waits = ["-c", "import time; time.sleep(60)", "--address"]
    asked = [
        subprocess.Popen([program, *waits, str(socket)], executable=sys.executable)
        for program, socket in ((leaving.CLIENT, mine), (leaving.SHIM, mine), (leaving.CLIENT, others))
    ]
    try:
        assert sorted(leaving.attached(mine)) == sorted(one.pid for one in asked[:2])
        leaving.end(lambda: [one for one in leaving.attached(mine) if _lives(str(one))])
        assert [one.wait(10) for one in asked[:2]] == [-9, -9]
        assert asked[2].poll() is None, "somebody else's"
    finally:
        for one in asked:
            one.kill()
            one.wait()


def _lives(pid: str) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_deleted_namespace_takes_everything_along(control_plane: ControlPlane) -> None:
    name = control_plane.new_namespace()
    control_plane.api.create(CONFIG_MAPS, name, {"metadata": {"name": "inside"}})
    control_plane.api.delete(NAMESPACES, "", name)
    give_up = time.monotonic() + 60
    while control_plane.api.find(NAMESPACES, "", name) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert control_plane.api.find(NAMESPACES, "", name) is None
