"""The proxy of the fault tests: it passes everything on, and each fault happens where it was asked for."""

import subprocess
import sys
import threading
import time

import pytest
from tests.cluster.api import CONFIG_MAPS, Api, ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fault_proxy import FaultProxy
from tests.cluster.fault_rules import to
from urllib3.exceptions import HTTPError


@pytest.fixture
def client(proxy: FaultProxy, control_plane: ControlPlane) -> Api:
    """The admin, through the proxy."""
    return Api(proxy.server, control_plane.token, control_plane.authority)


def config_map(name: str) -> dict[str, dict[str, str]]:
    return {"metadata": {"name": name}}


def test_everything_passes_and_writes_are_logged(proxy: FaultProxy, client: Api, namespace: str) -> None:
    client.create(CONFIG_MAPS, namespace, config_map("one"))
    client.merge(CONFIG_MAPS, namespace, "one", {"data": {"a": "b"}})
    assert client.get(CONFIG_MAPS, namespace, "one")["data"] == {"a": "b"}
    client.create(CONFIG_MAPS, namespace, config_map("two"), dryRun="All")
    with pytest.raises(ApiError) as refusal:
        client.create(CONFIG_MAPS, namespace, config_map("one"))
    assert refusal.value.reason == "AlreadyExists"
    client.delete(CONFIG_MAPS, namespace, "one")
    seen = [(write.method, write.name, write.status) for write in proxy.log]
    assert seen == [("POST", "one", 201), ("PATCH", "one", 200), ("POST", "one", 409), ("DELETE", "one", 200)]


def test_a_client_keeps_its_own_rights(control_plane: ControlPlane, proxy: FaultProxy, namespace: str) -> None:
    kubeconfig = proxy.account_kubeconfig(namespace, "default")
    refused = control_plane.kubectl("get", "pods", "-n", namespace, kubeconfig=kubeconfig, check=False)
    assert f'User "system:serviceaccount:{namespace}:default" cannot list' in refused.stderr


@pytest.mark.parametrize("after", [False, True])
def test_a_process_is_killed_at_its_nth_write(
    proxy: FaultProxy, client: Api, control_plane: ControlPlane, namespace: str, after: bool
) -> None:
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    try:
        kill = proxy.kill(victim.pid, nth=2, after=after, match=to("POST", "/configmaps"))
        client.create(CONFIG_MAPS, namespace, config_map("one"))
        assert victim.poll() is None
        with pytest.raises(HTTPError):
            client.create(CONFIG_MAPS, namespace, config_map("two"))
        assert kill.happened.wait(5)
        assert victim.wait(5) == -9
    finally:
        victim.kill()
        victim.wait()
    assert (control_plane.api.find(CONFIG_MAPS, namespace, "two") is not None) == after
    assert [(write.name, write.status, write.forwarded) for write in proxy.log] == [
        ("one", 201, True),
        ("two", 0, after),
    ]


@pytest.mark.parametrize("status", [409, 410, 422, 429, 500])
def test_a_write_is_answered_in_the_api_servers_place(
    proxy: FaultProxy, client: Api, namespace: str, status: int
) -> None:
    proxy.answer(status, times=2, match=to("POST"))
    for _ in range(2):
        with pytest.raises(ApiError) as refusal:
            client.create(CONFIG_MAPS, namespace, config_map("one"))
        assert refusal.value.status == status
    assert client.create(CONFIG_MAPS, namespace, config_map("one"))


def test_429_says_when_to_come_again(proxy: FaultProxy, client: Api, namespace: str) -> None:
    proxy.answer(429, retry_after=7, reads=True)
    headers = {"Authorization": f"Bearer {client.token}"}
    answer = client.pool.request("GET", f"{proxy.server}/api/v1/namespaces/{namespace}/configmaps", headers=headers)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("forwarded", [False, True])
def test_a_request_gets_no_answer(
    proxy: FaultProxy, client: Api, control_plane: ControlPlane, namespace: str, forwarded: bool
) -> None:
    proxy.hang(forwarded=forwarded)
    with pytest.raises(HTTPError):
        client.request("POST", CONFIG_MAPS.path(namespace), config_map("one"), timeout=1)
    assert (control_plane.api.find(CONFIG_MAPS, namespace, "one") is not None) == forwarded


class Watcher:
    """Follows config maps in a thread until its watch ends."""

    def __init__(self, client: Api, namespace: str) -> None:
        self.events: list[tuple[str, str]] = []
        self.client, self.namespace = client, namespace
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        try:
            for event, found in self.client.watch(CONFIG_MAPS, self.namespace, seconds=60):
                self.events.append((event, found["metadata"].get("name", str(found.get("code", "")))))
        except HTTPError:
            self.events.append(("BROKEN", ""))

    def saw(self, event: str, name: str, seconds: float = 10) -> bool:
        give_up = time.monotonic() + seconds
        while (event, name) not in self.events and time.monotonic() < give_up:
            time.sleep(0.05)
        return (event, name) in self.events


def test_a_watch_is_streamed_and_can_be_cut(proxy: FaultProxy, client: Api, namespace: str) -> None:
    watcher = Watcher(client, namespace)
    client.create(CONFIG_MAPS, namespace, config_map("one"))
    assert watcher.saw("ADDED", "one")
    assert proxy.cut_watches() == 1
    watcher.thread.join(5)
    assert not watcher.thread.is_alive()


def test_a_watch_is_told_that_its_version_is_too_old(proxy: FaultProxy, client: Api, namespace: str) -> None:
    watcher = Watcher(client, namespace)
    client.create(CONFIG_MAPS, namespace, config_map("one"))
    assert watcher.saw("ADDED", "one")
    assert proxy.expire_watches() == 1
    assert watcher.saw("ERROR", "410")


def test_nothing_passes_for_a_while(
    proxy: FaultProxy, client: Api, control_plane: ControlPlane, namespace: str
) -> None:
    watcher = Watcher(client, namespace)
    client.create(CONFIG_MAPS, namespace, config_map("before"))
    assert watcher.saw("ADDED", "before")
    with proxy.paused():
        with pytest.raises(HTTPError):
            client.request("GET", CONFIG_MAPS.path(namespace), timeout=1)
        control_plane.api.create(CONFIG_MAPS, namespace, config_map("meanwhile"))
        assert not watcher.saw("ADDED", "meanwhile", seconds=1)
    assert watcher.saw("ADDED", "meanwhile")


def test_a_restarted_api_server_is_reached_again(
    proxy: FaultProxy, client: Api, control_plane: ControlPlane, namespace: str
) -> None:
    client.create(CONFIG_MAPS, namespace, config_map("one"))
    control_plane.stop_api_server(kill=True)
    with pytest.raises(HTTPError):
        client.get(CONFIG_MAPS, namespace, "one")
    control_plane.start_api_server()
    assert client.get(CONFIG_MAPS, namespace, "one")
