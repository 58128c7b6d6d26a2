"""How programs are obtained: checked downloads, whole files only, one at a time, and words when nothing works."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.cluster import binaries, downloads
from tests.cluster.downloads import Release
from tests.cluster.go_modules import Command


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which it is served."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_download_is_checked_against_a_lone_digest(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    (folder / "kubectl").write_bytes(b"program")
    (folder / "kubectl.sha256").write_text(hashlib.sha256(b"program").hexdigest())
    downloads.download(Release(f"{address}/kubectl", f"{address}/kubectl.sha256"), tmp_path / "kubectl")
    assert (tmp_path / "kubectl").read_bytes() == b"program"
    assert (tmp_path / "kubectl").stat().st_mode & 0o111


def test_what_is_not_what_was_published_is_refused(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    (folder / "kubectl").write_bytes(b"something else")
    (folder / "kubectl.sha256").write_text(hashlib.sha256(b"program").hexdigest())
    with pytest.raises(downloads.Failed, match="published is"):
        downloads.download(Release(f"{address}/kubectl", f"{address}/kubectl.sha256"), tmp_path / "kubectl")
    assert not (tmp_path / "kubectl").exists()


def test_a_program_is_taken_out_of_its_archive(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    with tarfile.open(folder / "etcd.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("etcd-1/etcd")
        member.size = 7
        archive.addfile(member, io.BytesIO(b"program"))
    digest = hashlib.sha256((folder / "etcd.tar.gz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  etcd.tar.gz\n")
    release = Release(f"{address}/etcd.tar.gz", f"{address}/SHA256SUMS", member="etcd-1/etcd")
    downloads.download(release, tmp_path / "etcd")
    assert (tmp_path / "etcd").read_bytes() == b"program"


def test_a_list_that_does_not_name_the_file_is_refused(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    (folder / "etcd").write_bytes(b"program")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other\n")
    with pytest.raises(downloads.Failed, match="does not name etcd"):
        downloads.download(Release(f"{address}/etcd", f"{address}/SHA256SUMS"), tmp_path / "etcd")


def test_without_go_and_without_a_download_all_that_was_tried_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPD_CACHE", str(tmp_path))
    monkeypatch.setattr("tests.cluster.go_modules.shutil.which", lambda *words, **more: None)
    closed = Release("http://127.0.0.1:9/helm", "http://127.0.0.1:9/helm.sha256")
    program = binaries.Program("helm", "9", Command("helm.invalid", "v9"), closed)
    monkeypatch.setitem(binaries.PROGRAMS, "helm", program)
    with pytest.raises(binaries.Unavailable) as refusal:
        binaries.program("helm")
    assert "download http://127.0.0.1:9/helm: no answer" in str(refusal.value)
    assert "Go is not on PATH; install Go" in str(refusal.value)


def test_whoever_comes_second_finds_the_file_whole(tmp_path: Path) -> None:
    begun, go_on, made = threading.Event(), threading.Event(), []

    def source(path: Path) -> None:
        made.append(path)
        path.write_text("half")
        begun.set()
        assert go_on.wait(10)
        path.write_text("whole")

    target = tmp_path / "program-1" / "program"
    threads = [threading.Thread(target=binaries._obtain, args=(target, [("make", source)])) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    assert not target.exists()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert target.read_text() == "whole"
    assert len(made) == 1
    assert [path.name for path in target.parent.iterdir() if path.name not in (".lock", "program")] == []
