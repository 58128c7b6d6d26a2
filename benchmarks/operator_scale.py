"""The operator with thousands of jobs on a real API server: cold start, memory, rest, latency, and KubeRay beside it.

    python -m benchmarks.operator_scale [--jobs 5000] [--repeats 1]

API server, etcd, operator, KubeRay and this program share the machine, and no kubelet runs: pods never start, images
are never pulled. `inspect: false`: no pod looks at models first. Targets of a whole run are in TARGETS.
"""

import re
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
from benchmarks import scale_world
from benchmarks.machine import Used, machine, used
from rich.console import Console
from rich.table import Table
from tests.apiserver.operator_process import ACCOUNT, HOME, OperatorProcess, grant
from tests.cluster.api import DISTILLATION_JOBS, RAY_JOBS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.ray_operator import RayOperator

RATE, RATE_SECONDS = 20.0, 30.0
RESYNC_SECONDS = 300
"""The default. A rest is as long, so that it holds one full reading of everything."""
NAMESPACES = 10
"""Jobs are spread over so many: a row in a namespace makes the API server's own checks of each new Role longer."""
PATIENCE = 900.0
BUSY_SECONDS = 60.0
"""How long the operator may take to answer, in the middle of thousands of changes."""
TARGETS = {
    "cold start: all jobs observed, s": 60.0,
    "cold start: resident memory at the most, MiB": 300 * 1e6 / 2**20,
    "at rest: share of a core, %": 5.0,
    "at rest: writes": 0.0,
    "new jobs, 20 a second: to the RayJob, p99 s": 2.0,
}
Row = dict[str, float]


class Scale:
    """One measurement of the operator."""

    def __init__(self, plane: ControlPlane, folder: Path, jobs: int, example: str, console: Console) -> None:
        self.plane, self.api, self.console = plane, plane.api, console
        self.body = scale_world.example(example)
        self.names = scale_world.names(example, jobs)
        self.namespaces = [plane.new_namespace("scale") for _ in range(NAMESPACES)]
        grant(plane, None, folder / "access.yaml")
        self.operator = OperatorProcess(
            plane.account_kubeconfig(HOME, ACCOUNT), folder, resyncSeconds=RESYNC_SECONDS, namespaces=[]
        )
        self.row: Row = {}

    def note(self, name: str, value: float) -> None:
        """Keep a number and say it."""
        self.row[name] = value
        self.console.print(f"  {name}: {value:.2f}")

    def place(self, name: str) -> str:
        """The namespace of a job."""
        return self.namespaces[int(name[-5:]) % NAMESPACES]

    def create(self, name: str) -> float:
        """Create a job; when that was asked for."""
        return scale_world.create_job(self.api, self.place(name), self.body, name)

    def measure(self, kuberay: bool) -> Row:
        """Everything, in order."""
        self.cold_start()
        scale_world.mark_running(self.api, [(self.place(name), f"{name}-a1") for name in self.names])
        self.settle()
        self.rest()
        self.new_jobs()
        self.restart()
        self.operator.stop()
        if kuberay:
            self.beside()
        return self.row

    def cold_start(self) -> None:
        """Every job is there before the operator is."""
        seconds = scale_world.in_parallel(self.create, self.names)
        self.note("this program alone: jobs created a second", len(self.names) / seconds)
        observed = scale_world.Follower(
            self.api, DISTILLATION_JOBS, "", lambda one: bool(one.get("status", {}).get("phase"))
        )
        created = scale_world.Follower(self.api, RAY_JOBS, "", lambda _: True)
        with observed, created:
            begun = time.monotonic()
            self.operator.start(wait=False)
            observed.until(self.names, PATIENCE)
            at_observed = used(self.operator.pid)
            created.until([f"{name}-a1" for name in self.names], PATIENCE)
        self.note("cold start: all jobs observed, s", max(observed.seen.values()) - begun)
        self.note("cold start: all RayJobs created, s", max(created.seen.values()) - begun)
        self.operator.wait_until_ready()
        self.settle()
        now = used(self.operator.pid)
        self.note("cold start: processor ms a job until observed", 1000 * at_observed.processor / len(self.names))
        self.note("cold start: processor ms a job until settled", 1000 * now.processor / len(self.names))
        self.note("cold start: resident memory at the most, MiB", now.peak)
        self.note("cold start: writes a job", self.writes() / len(self.names))

    def settle(self, quiet: float = 12.0) -> None:
        """Wait until nothing has been written for a while and nobody waits to be looked at."""
        before, since = self.writes(), time.monotonic()
        while time.monotonic() - since < quiet:
            time.sleep(0.5)
            if (now := self.writes()) != before or self.metric("gopd_queue_depth") > 0:
                before, since = now, time.monotonic()

    def rest(self) -> None:
        """Every job trains and nothing changes, for as long as from one full reading to the next."""
        versions = scale_world.versions(self.api, DISTILLATION_JOBS, "")
        writes, before = self.writes(), used(self.operator.pid)
        looks = self.metric("gopd_reconcile_seconds_count")
        time.sleep(RESYNC_SECONDS)
        after = used(self.operator.pid)
        self.note("at rest: share of a core, %", 100 * after.share(before))
        self.note("at rest: looks", self.metric("gopd_reconcile_seconds_count") - looks)
        self.note("at rest: resident memory, MiB", after.resident)
        changed = scale_world.versions(self.api, DISTILLATION_JOBS, "").items() - versions.items()
        self.note("at rest: writes", max(self.writes() - writes, float(len(changed))))

    def new_jobs(self) -> None:
        """New jobs beside the others: from right before the request to the watch's word of the RayJob."""
        names = scale_world.names("new", round(RATE * RATE_SECONDS))
        before = used(self.operator.pid)
        with scale_world.Follower(self.api, RAY_JOBS, "", lambda _: True) as created:
            sent = scale_world.create_at(RATE, names, self.create)
            created.until([f"{name}-a1" for name in names], PATIENCE)
        took = sorted(created.seen[f"{name}-a1"] - at for name, at in sent.items())
        self.settle()
        after = used(self.operator.pid)
        took_99 = statistics.quantiles(took, n=100)[98]
        spread = max(sent.values()) - min(sent.values())
        self.note("new jobs, 20 a second: sent over, s", spread)
        self.note("new jobs, 20 a second: to the RayJob, median s", statistics.median(took))
        self.note("new jobs, 20 a second: to the RayJob, p99 s", took_99)
        self.note("new jobs: processor ms a job", 1000 * (after.processor - before.processor) / len(names))

    def restart(self) -> None:
        """The operator ends and comes back to jobs that it knows."""
        self.operator.stop()
        begun = time.monotonic()
        self.operator.start()
        self.note("restart: ready, s", time.monotonic() - begun)
        while self.metric("gopd_queue_depth") > 0 or self.metric("gopd_reconcile_seconds_count") < len(self.names):
            time.sleep(0.1)
        self.note("restart: all jobs looked at, s", time.monotonic() - begun)
        now = used(self.operator.pid)
        self.note("restart: processor ms a job", 1000 * now.processor / len(self.names))
        self.note("restart: resident memory at the most, MiB", now.peak)
        self.note("restart: writes", self.writes())

    def beside(self) -> None:
        """The real KubeRay operator with as many RayJobs of its own, of the same spec, there before it starts."""
        namespace = self.plane.new_namespace("beside")
        source = self.api.get(RAY_JOBS, self.place(self.names[0]), f"{self.names[0]}-a1")
        scale_world.copy_rayjobs(self.api, source, namespace, len(self.names))
        follower = scale_world.Follower(
            self.api, RAY_JOBS, namespace, lambda one: bool(one.get("status", {}).get("jobDeploymentStatus"))
        )
        with follower:
            begun = time.monotonic()
            with RayOperator(self.plane, namespace) as ray:
                follower.until(scale_world.names("copy", len(self.names)), PATIENCE / 3)
                at_end = used(ray.process.pid)
                self.note("KubeRay: RayJobs with a status", len(follower.seen))
                self.note("KubeRay: until then, s", max(follower.seen.values()) - begun)
                self._ray_rest(ray.process.pid, at_end, len(follower.seen))

    def _ray_rest(self, pid: int, begun: Used, count: int) -> None:
        self.note("KubeRay: processor ms a RayJob until then", 1000 * begun.processor / count)
        self.note("KubeRay: resident memory at the most, MiB", begun.peak)
        time.sleep(60)
        after = used(pid)
        self.note("KubeRay: share of a core in the minute after, %", 100 * after.share(begun))
        self.note("KubeRay: resident memory after it, MiB", after.peak)

    def writes(self) -> float:
        """Requests of the operator that change something."""
        return sum(self.metric(f'gopd_api_requests_total{{code="[0-9a-z]+",method="{method}"}}') for method in WRITES)

    def metric(self, name: str) -> float:
        """Sum of the operator's series that match."""
        text = self.operator.asked("/metrics", BUSY_SECONDS)[1]
        return sum(float(value) for value in re.findall(rf"^{name} (\S+)$", text, flags=re.MULTILINE))


WRITES = ("POST", "PUT", "PATCH", "DELETE")


@click.command()
@click.option("--jobs", default=5000, show_default=True)
@click.option("--example", default="tiny", show_default=True, help="A DistillationJob of examples/.")
@click.option("--repeats", default=1, show_default=True)
@click.option("--kuberay/--no-kuberay", default=True, show_default=True, help="Measure the KubeRay operator, too.")
def main(jobs: int, example: str, repeats: int, kuberay: bool) -> None:
    """Measure the operator's scale."""
    console = Console()
    rows: list[Row] = []
    for repeat in range(repeats):
        console.print(f"repeat {repeat + 1}: {jobs} jobs like examples/{example}.yaml, {machine()}")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gopd-scale-")))
            plane = stack.enter_context(ControlPlane())
            scale = Scale(plane, folder, jobs, example, console)
            stack.callback(scale.operator.stop)
            rows.append(scale.measure(kuberay))
            console.print(f"  {machine()}".replace("at the start", "at the end"))
    table = Table("number", "median", "least", "most", "target")
    for name in rows[0]:
        values = [row[name] for row in rows]
        target = f"{TARGETS[name]:.0f}" if name in TARGETS else ""
        middle = statistics.median(values)
        style = "red" if name in TARGETS and middle > TARGETS[name] else ""
        table.add_row(name, f"{middle:.2f}", f"{min(values):.2f}", f"{max(values):.2f}", target, style=style)
    console.print(table)


if __name__ == "__main__":
    main()
