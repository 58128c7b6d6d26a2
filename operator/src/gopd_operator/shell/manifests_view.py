"""`gopd plan -o manifests`: the objects that the operator would create for a job, as a stream of YAML documents.

Which they are is decided in `core.cluster.foreseeing`. What cannot be told yet stands in comments.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from gopd_api.objects import DistillationJob, EvalJob
from gopd_operator.core.cluster.foreseeing import foreseen
from gopd_operator.core.cluster.manifests import Context
from gopd_operator.core.settings import OperatorSettings
from gopd_operator.core.workflow import Surroundings, plan
from gopd_operator.shell.errors import GopdError
from gopd_operator.shell.memory_view import needs_of
from gopd_operator.shell.running import observe


def manifests_text(job: DistillationJob | EvalJob, settings: OperatorSettings, root: Path) -> str:
    """The YAML stream of a job. Raises GopdError when the operator would refuse the job for want of storage."""
    # Of students, only those on this machine could be found: an EvalJob's stay undecided.
    prompts = observe(job, root)[0].prompts if isinstance(job, DistillationJob) else None
    try:
        found = foreseen(Context(job, settings), prompts)
    except ValueError as error:
        remedy = "or give --settings FILE with storageClaim"
        raise GopdError(f"{job.kind} {job.metadata.name}: {error}; {remedy}") from None
    notes = [*found.notes, *_refusal(job, root)]
    comments = "".join(f"# {job.kind} {job.metadata.name}: {note}\n" for note in notes)
    return comments + "".join(f"---\n{yaml.safe_dump(one, sort_keys=False, width=120)}" for one in found.objects)


def _refusal(job: DistillationJob | EvalJob, root: Path) -> Iterator[str]:
    """Why the operator would stop after the inspection, as far as this machine can tell."""
    needs = needs_of(job, plan(job, Surroundings(str(root), None)), root)
    if needs is not None and needs.refusal:
        yield f"would be refused after its inspection: {' '.join(needs.refusal.split())}"
