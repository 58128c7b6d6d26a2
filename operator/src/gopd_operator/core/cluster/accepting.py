"""Whether a job may start: the look at its models and data, and whether what it needs fits.

Made once for each job and kept in status; made again where its pod was gone before its answer was read, and only so
often. A refusal is final: a spec cannot be changed, so another object has to be applied. A look that fails by itself
(no image, no volume) fails the job with what is known. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gopd_api.inspection import Inspection
from gopd_api.objects import DistillationJob
from gopd_api.status import Child, DistillationJobStatus, Inspected, PlanStatus
from gopd_operator.core.cluster.decision import Look
from gopd_operator.core.cluster.failures import not_starting
from gopd_operator.core.cluster.manifests import Context, Manifest
from gopd_operator.core.cluster.measuring import failure_message, failure_reason, gone, made_again
from gopd_operator.core.cluster.measuring_objects import inspection
from gopd_operator.core.cluster.names import inspect_name
from gopd_operator.core.cluster.seen import JobSeen, PodSeen
from gopd_operator.core.cluster.training import Target
from gopd_operator.core.memory_plan import plan_status, refusal

NO_STORAGE = (
    "storage.claim: is missing, and the installation has no claim of its own; name the PersistentVolumeClaim that "
    "holds models and data"
)


LOOKING = "models and data are looked at"


@dataclass(frozen=True)
class Acceptance:
    """Whether the job may start."""

    state: Literal["accepted", "looking", "refused", "failed"]
    inspected: Inspected | None = None
    plan: PlanStatus | None = None
    reason: str = ""
    message: str = ""
    creates: tuple[Manifest, ...] = ()
    deletes: tuple[Target, ...] = ()
    children: tuple[Child, ...] | None = None
    """What status should list of them, where that is something else."""


def acceptance(look: Look) -> Acceptance:
    """The state of the look at the job's inputs, from what status knows already and from its Job."""
    context, inspected = look.context, look.status.inspected
    if context.claim is None:
        return Acceptance("refused", reason="NoStorage", message=NO_STORAGE)
    if inspected is not None:
        known = look.status.plan if isinstance(look.status, DistillationJobStatus) else None
        return Acceptance("accepted", inspected, known)
    if not context.settings.inspect:
        return Acceptance("accepted", Inspected(digest="none"), _plan(context, Inspection()))
    job = look.seen.job(inspect_name(context.key))
    if job is None:
        return Acceptance("looking", message=LOOKING, creates=tuple(inspection(context)))
    pods = look.seen.pods.get(job.name, ())
    if job.state == "active":
        reason, words = not_starting(pods, look.now) or ("", "")
        return Acceptance("looking", reason=reason, message=f"{LOOKING}: {words}" if words else LOOKING)
    found = answer(pods)
    return _unanswered(look, job, pods) if found is None else _answered(context, job, found)


def _unanswered(look: Look, job: JobSeen, pods: Sequence[PodSeen]) -> Acceptance:
    """The look is over, and nobody knows what it found."""
    again = made_again(look.status.children, job) if job.state == "complete" else None
    if again is None:
        words = f"models and data could not be looked at: {failure_message(job, pods)}"
        return Acceptance("failed", reason=f"Inspection{failure_reason(job, pods)}", message=words)
    words = f"{LOOKING} again: the answer was lost"
    return Acceptance("looking", message=words, deletes=gone(job), children=again)


def _answered(context: Context, job: JobSeen, found: Inspection) -> Acceptance:
    if found.faults:
        return Acceptance("refused", reason="InputsRefused", message="; ".join(found.faults))
    if isinstance(context.job, DistillationJob) and (why := refusal(context.job.spec, found.models)):
        return Acceptance("refused", plan=_plan(context, found), reason="PlanRejected", message=why)
    return Acceptance("accepted", Inspected(digest=job.digest, prompts=found.prompts), _plan(context, found))


def answer(pods: Sequence[PodSeen]) -> Inspection | None:
    """What the inspection's pod said, when it said it."""
    for pod in pods:
        try:
            return Inspection.model_validate_json(pod.message)
        except ValueError:  # a log's last lines, or nothing
            continue
    return None


def _plan(context: Context, found: Inspection) -> PlanStatus | None:
    if not isinstance(context.job, DistillationJob):
        return None
    return plan_status(context.job.spec, found.models, found.prompts)
