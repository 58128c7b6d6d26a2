"""Parts of the node that need neither root nor a node: daemons found again, small images, what a machine lacks."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from tests.cluster.node import archive, leaving, preflight
from tests.cluster.node.daemons import Daemon, eventually, started
from tests.cluster.node.place import Place

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_daemon_outlives_its_starter_and_is_ended_by_another_command(tmp_path: Path) -> None:
    words = (
        "import sys; from pathlib import Path; from tests.cluster.node.daemons import Daemon\n"
        f"Daemon('sleeper', Path({str(tmp_path)!r})).start({SLEEP!r})"
    )
    subprocess.run([sys.executable, "-c", words], check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    daemon = Daemon("sleeper", tmp_path)
    pid = daemon.pid
    assert started(pid)
    daemon.stop()
    assert not daemon.running
    assert not started(pid)


def test_a_pid_that_was_given_out_again_is_not_ended(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEP)
    try:
        daemon = Daemon("sleeper", tmp_path)
        daemon.pid_file.write_text(f"{stranger.pid} 1")
        assert not daemon.running
        daemon.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_daemon_that_will_not_end_is_killed(tmp_path: Path) -> None:
    daemon = Daemon("deaf", tmp_path)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    daemon.start([sys.executable, "-c", f"{deaf}; time.sleep(600)"])
    assert eventually(lambda: "ready" in daemon.log.read_text(), 20)
    daemon.stop(patience=0.2)
    assert daemon.child is not None
    assert daemon.child.returncode == -signal.SIGKILL


def test_an_image_of_a_few_files_is_a_docker_archive_with_them(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/true\n")
    path = archive.write(tmp_path / "image.tar", "localhost/one:1", {"/bin/program": program}, ["/bin/program"])
    with tarfile.open(path) as packed:
        listed = packed.extractfile("manifest.json")
        assert listed is not None
        manifest = json.load(listed)[0]
        assert manifest["RepoTags"] == ["localhost/one:1"]
        layer = packed.extractfile(manifest["Layers"][0])
        assert layer is not None
        with tarfile.open(fileobj=layer) as inner:
            assert [(one.name, one.mode) for one in inner] == [("bin/program", 0o755)]


def test_a_machine_without_the_packages_is_told_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(preflight, "PLUGINS", (tmp_path / "none",))
    monkeypatch.delenv("GOPD_E2E_INSTALL", raising=False)
    with pytest.raises(preflight.Lacking) as told:
        preflight.prepare(Place(tmp_path / "node"))
    assert "apt-get install -y --no-install-recommends buildah containerd" in str(told.value)


def test_a_node_that_is_there_is_not_made_twice(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    assert any("make cluster-down" in fault for fault in preflight.taken(Place(tmp_path / "node")))


def test_groups_that_go_while_they_are_looked_through_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "stays").mkdir()
    (tmp_path / "stays" / "cgroup.procs").write_text(f"{os.getpid()}\n")
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            for number in range(20):
                (tmp_path / f"pod{number}" / "container").mkdir(parents=True)
            for number in range(20):
                (tmp_path / f"pod{number}" / "container").rmdir()
                (tmp_path / f"pod{number}").rmdir()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        assert all(leaving.processes_of([tmp_path]) == [os.getpid()] for _ in range(300))
    finally:
        done.set()
        thread.join()
