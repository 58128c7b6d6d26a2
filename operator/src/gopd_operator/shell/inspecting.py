"""`gopd inspect`: everything that can be told of a job's inputs from a storage root, as one Inspection.

A small pod runs it on the cluster before a GPU is booked, so no GPU is looked for. What is refused because it does not
fit into memory is the operator's to say, from these facts.
"""

from pathlib import Path

from gopd_api.endings import compact
from gopd_api.faults import InvalidSpec
from gopd_api.inspection import Inspection
from gopd_api.load import load_file
from gopd_operator.shell.model_facts import sizes_found
from gopd_operator.shell.preflight import check, loaded_models


def inspect_file(file: str, root: Path) -> Inspection:
    """The inspection of the one object in `file`; a spec that is not valid is refused with its faults."""
    try:
        jobs = load_file(file)
    except InvalidSpec as error:
        return Inspection.fitting([str(fault) for fault in error.faults], None, {})
    if len(jobs) != 1:
        return Inspection.fitting([f"{file}: holds {len(jobs)} objects; give one"], None, {})
    found = check(jobs[0], root, here=False)
    sizes = sizes_found((model for _, model in loaded_models(jobs[0])), root, fetch=True)
    return Inspection.fitting(found.faults, found.prompts, sizes.facts, [*found.notes, *sizes.notes])


def tell(found: Inspection, summary: Path | None) -> str:
    """The inspection on one line; also in `summary`, written in place: a pod's last words are no plain file."""
    text = compact(found)
    if summary is not None:
        summary.write_text(text, encoding="utf-8")
    return text
