"""GPU-seconds: what an attempt has had booked, and what a job has used in all. Prices are not known here. Pure."""

from collections.abc import Sequence

from gopd_api.effective import pools, trainer_gpus
from gopd_api.objects import DistillationJob
from gopd_api.status import Attempt, DistillationJobStatus, Resources
from gopd_operator.core.cluster.seen import RayJobSeen


def gpu_seconds(job: DistillationJob, attempt: Attempt, rayjob: RayJobSeen | None, now: float) -> float:
    """GPUs that the attempt booked times the seconds that it had them; 0 on processors, or when it never started."""
    if job.spec.compute.accelerator == "cpu" or rayjob is None or rayjob.started is None or rayjob.held:
        return 0.0
    booked = pools(job.spec)
    gpus = trainer_gpus(booked) + booked.teacher_gpus_per_node * booked.teacher_nodes
    return round(gpus * max(0.0, (rayjob.ended or now) - rayjob.started), 1)


def spent(status: DistillationJobStatus, attempts: Sequence[Attempt]) -> Resources | None:
    """GPU-seconds of all attempts: the known sum and those of the attempts that have just ended."""
    before = {one.number for one in status.attempts if one.ended}
    more = sum(one.gpu_seconds for one in attempts if one.ended and one.number not in before)
    known = status.resources.gpu_seconds if status.resources else 0.0
    return Resources(gpu_seconds=round(known + more, 1)) if more else status.resources
