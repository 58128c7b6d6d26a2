"""The programs of the test clusters, by name and pinned version: found in the cache, else downloaded, else built.

Decides which versions the tests run with, where the cache lies (`GOPD_CACHE`, else `~/.cache/gopd`) and in which order
sources are tried. How a download is checked is in `downloads`, how a Go module is built in `go_modules`.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.cluster import downloads, go_modules
from tests.cluster.downloads import Release
from tests.cluster.go_modules import Command

KUBERNETES, ETCD, HELM, KUBERAY, COREDNS = "1.34.4", "3.6.10", "3.22.0", "1.6.2", "1.14.5"
KUBE_SCORE, KUEUE = "1.20.0", "0.17.0"
KUBERAY_MODULE = "github.com/ray-project/kuberay/ray-operator"
CRDS = {
    "ray.io_rayjobs.yaml": "ecae45d9a5dc1be68f1074ba784c495ef9d439d295253b61e1bd51f7b08522f5",
    "ray.io_rayclusters.yaml": "1d51d8c4ce065b22c2069af0ebd72ae25f4a6968e5c5f93a3106ba6fc35bcc1d",
    "ray.io_rayservices.yaml": "95c639acc20ecc3cfa425d5ad0f8a7c152a336bc16d2e0deec17b62005e67fda",
    "kueue.x-k8s.io_clusterqueues.yaml": "666f5466bf85ace8c494a9a790ba87c4c18ddf3ab3eb9f18c878927d396869f3",
    "kueue.x-k8s.io_localqueues.yaml": "5c5768caeb499bb869bb8f90e4f5293170b183a4a74b618f1f182264d9ce4437",
    "kueue.x-k8s.io_resourceflavors.yaml": "19e339c47e9ca3fa2c9eeddd27715a512f765c4794ed859733408a9715720173",
    "kueue.x-k8s.io_workloads.yaml": "d4f5c22bff5074b8801412011d6d2fd68050e2868ce4dd0bba2ad523431af36d",
}
"""Definitions of other projects, each with its SHA-256."""


@dataclass(frozen=True)
class Definitions:
    """A project's CRDs: its module, where they lie in it and on its site, and the API version that is kept."""

    folder: str
    module: str
    version: str
    path: str
    address: str
    keeps: str


OF_RAY = Definitions(
    f"kuberay-crds-{KUBERAY}",
    KUBERAY_MODULE,
    f"v{KUBERAY}",
    "config/crd/bases",
    f"https://raw.githubusercontent.com/ray-project/kuberay/v{KUBERAY}/ray-operator",
    "v1",
)
OF_QUEUES = Definitions(
    f"kueue-crds-{KUEUE}",
    "sigs.k8s.io/kueue",
    f"v{KUEUE}",
    "config/components/crd/bases",
    f"https://raw.githubusercontent.com/kubernetes-sigs/kueue/v{KUEUE}",
    "v1beta2",
)


@dataclass(frozen=True)
class Program:
    """A program: its version, the module that it is built from, and the official release if there is one."""

    name: str
    version: str
    command: Command
    release: Release | None


class Unavailable(RuntimeError):
    """A program or file could neither be downloaded nor built."""


def _kubernetes(name: str) -> Program:
    address = f"https://dl.k8s.io/v{KUBERNETES}/bin/linux/{_architecture()}/{name}"
    major, minor, _ = KUBERNETES.split(".")
    # Helm's `kubeVersion` reads these; a build without them says v0.0.0.
    stamp = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    command = Command(
        "k8s.io/kubernetes",
        f"v{KUBERNETES}",
        f"cmd/{name}",
        {f"k8s.io/component-base/version.{field}": value for field, value in (stamp | {"gitCommit": "0" * 40}).items()},
    )
    return Program(name, KUBERNETES, command, Release(address, f"{address}.sha256"))


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _etcd() -> Program:
    folder = f"https://github.com/etcd-io/etcd/releases/download/v{ETCD}"
    archive = f"etcd-v{ETCD}-linux-{_architecture()}.tar.gz"
    release = Release(f"{folder}/{archive}", f"{folder}/SHA256SUMS", member=f"{archive.removesuffix('.tar.gz')}/etcd")
    return Program("etcd", ETCD, Command("go.etcd.io/etcd/server/v3", f"v{ETCD}"), release)


def _helm() -> Program:
    address = f"https://get.helm.sh/helm-v{HELM}-linux-{_architecture()}.tar.gz"
    release = Release(address, f"{address}.sha256sum", member=f"linux-{_architecture()}/helm")
    command = Command(
        "helm.sh/helm/v3", f"v{HELM}", "cmd/helm", {"helm.sh/helm/v3/internal/version.version": f"v{HELM}"}
    )
    return Program("helm", HELM, command, release)


def _coredns() -> Program:
    folder = f"https://github.com/coredns/coredns/releases/download/v{COREDNS}"
    archive = f"coredns_{COREDNS}_linux_{_architecture()}.tgz"
    release = Release(f"{folder}/{archive}", f"{folder}/{archive}.sha256", member="coredns")
    return Program("coredns", COREDNS, Command("github.com/coredns/coredns", f"v{COREDNS}"), release)


def _kube_score() -> Program:
    folder = f"https://github.com/zegl/kube-score/releases/download/v{KUBE_SCORE}"
    release = Release(f"{folder}/kube-score_{KUBE_SCORE}_linux_{_architecture()}", f"{folder}/checksums.txt")
    return Program(
        "kube-score", KUBE_SCORE, Command("github.com/zegl/kube-score", f"v{KUBE_SCORE}", "cmd/kube-score"), release
    )


PROGRAMS = {
    program.name: program
    for program in (
        _etcd(),
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kubectl"),
        _helm(),
        _kube_score(),
        Program("kuberay-operator", KUBERAY, Command(KUBERAY_MODULE, f"v{KUBERAY}"), None),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        _coredns(),
    )
}
NODE = ("kuberay-operator", "kube-scheduler", "kubelet", "kube-proxy", "coredns")
"""What only the cluster with a node needs."""


def cache() -> Path:
    """The cache folder, outside the checkout so that every checkout shares it."""
    return Path(os.environ.get("GOPD_CACHE") or Path.home() / ".cache" / "gopd")


def program(name: str) -> Path:
    """The path of a program, obtained on first use. Raises Unavailable with what was tried."""
    wanted = PROGRAMS[name]
    target = cache() / f"{wanted.name}-{wanted.version}" / wanted.name
    if not target.exists():
        sources: list[tuple[str, Callable[[Path], None]]] = []
        if (release := wanted.release) is not None:
            sources.append((f"download {release.address}", lambda path: downloads.download(release, path)))
        sources.append(
            (
                f"build {wanted.command.package}@{wanted.command.version}",
                lambda path: go_modules.build(wanted.command, path),
            )
        )
        _obtain(target, sources)
    return target


def pause() -> Path:
    """The process that holds a pod's namespaces, from its source beside the node."""
    source = Path(__file__).with_name("node") / "pause.go"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:10]
    target = cache() / f"pause-{digest}" / "pause"
    if not target.exists():
        _obtain(target, [("build pause.go", lambda path: go_modules.build_file(source, path))])
    return target


def ray_definitions() -> list[Path]:
    """KubeRay's own CRDs, RayJob and RayCluster."""
    return [_definition(OF_RAY, f"ray.io_{plural}.yaml") for plural in ("rayjobs", "rayclusters")]


def ray_service_definition() -> Path:
    """KubeRay's third CRD, without which its operator does not start."""
    return _definition(OF_RAY, "ray.io_rayservices.yaml")


def queue_definitions() -> list[Path]:
    """Kueue's own CRDs, as far as the documentation names them."""
    plurals = ("clusterqueues", "localqueues", "resourceflavors", "workloads")
    return [_definition(OF_QUEUES, f"kueue.x-k8s.io_{plural}.yaml") for plural in plurals]


def _definition(source: Definitions, name: str) -> Path:
    """Beside the original, as JSON and without older versions, which double the start of the API server."""
    original = _original(source, name)
    target = original.with_suffix(f".{source.keeps}.json")
    if not target.exists():
        document = yaml.load(original.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        spec = document["spec"]
        spec["versions"] = [version for version in spec["versions"] if version["name"] == source.keeps]
        _obtain(target, [("shorten", lambda path: _write(path, json.dumps(document)))])
    return target


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _original(source: Definitions, name: str) -> Path:
    target = cache() / source.folder / name
    if not target.exists():
        path = f"{source.path}/{name}"
        address = f"{source.address}/{path}"

        def from_module(into: Path) -> None:
            into.write_bytes((go_modules.source(source.module, source.version) / path).read_bytes())
            _check(into, CRDS[name])

        def from_release(into: Path) -> None:
            downloads.download(Release(address, None), into)
            _check(into, CRDS[name])

        _obtain(target, [(f"download {address}", from_release), (f"copy from {source.module}", from_module)])
    return target


def _check(path: Path, expected: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise downloads.Failed(f"{path.name} has SHA-256 {found}, expected {expected}")


def _obtain(target: Path, sources: list[tuple[str, Callable[[Path], None]]]) -> None:
    """Try each source; whoever comes second waits and finds the file. It appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / ".lock"):
        if target.exists():
            return
        faults = []
        for words, source in sources:
            say(f"{target.name}: {words}")
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                whole = Path(folder) / target.name
                try:
                    source(whole)
                except (downloads.Failed, go_modules.Failed) as error:
                    faults.append(f"{words}: {error}")
                    say(f"{target.name}: {error}")
                    continue
                whole.replace(target)
                return
    raise Unavailable(f"{target.name} is not in {target.parent} and could not be obtained:\n  " + "\n  ".join(faults))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """A line of progress, also while pytest captures the output."""
    stream = sys.__stderr__ or sys.stderr
    stream.write(f"cluster: {line}\n")
    stream.flush()


def main(names: list[str]) -> int:
    """Obtain programs ahead of the tests: those that are named, else all but those of the node; `node` names these."""
    wanted = names or [name for name in PROGRAMS if name not in NODE]
    if "node" in wanted:
        say(str(pause()))
        wanted = [*(name for name in wanted if name != "node"), *NODE]
    for name in wanted:
        say(f"{name}: {program(name)}")
    for path in [*ray_definitions(), *queue_definitions()]:
        say(str(path))
    return 0


if __name__ == "__main__":
    if shutil.disk_usage(Path.home()).free < 6 << 30:
        say("less than 6 GiB free: a build may not fit")
    raise SystemExit(main(sys.argv[1:]))
