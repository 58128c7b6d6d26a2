"""The setting of a report: which models, problems, draws, graders and versions its numbers come from.

It copies what was decided elsewhere into one place to read and decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gopd_api.reports import Setting, SubjectSetting, TaskSetting
from gopd_api.requests import EvalRequest, EvalTask
from gopd_eval.core.measures import Measure

Manifests = Mapping[tuple[str, str], Mapping[str, Any]]
"""(subject, task) to the parts that the key of its generations was made of."""
OWN_FIELDS = {"model", "prompts"}
"""Parts of a manifest that have fields of their own."""


def setting_of(
    request: EvalRequest, measures: Sequence[Measure], manifests: Manifests, versions: Mapping[str, str]
) -> Setting:
    """The setting of a request whose measures are there."""
    first: dict[str, Measure] = {}
    for measure in measures:
        first.setdefault(measure.origin.task, measure)
    tasks = [task for task in request.tasks if task.name in first]
    return Setting(
        subjects=[
            SubjectSetting(name=subject.name, model=subject.model, model_digest=_model_digest(subject.name, manifests))
            for subject in request.subjects
        ],
        tasks=[_task(task, first[task.name], manifests) for task in tasks],
        versions=dict(versions),
    )


def _task(task: EvalTask, measure: Measure, manifests: Manifests) -> TaskSetting:
    manifest = manifests.get((measure.origin.subject, task.name), {})
    simple = str | int | float | bool | None
    return TaskSetting(
        name=task.name,
        benchmark=task.benchmark,
        preset=task.preset,
        problems=len(measure.values),
        samples=measure.samples,
        data_digest=measure.origin.data_digest,
        ids_digest=measure.ids_digest,
        grader=measure.grader,
        isolation=measure.origin.isolation,
        drawing={name: v for name, v in manifest.items() if name not in OWN_FIELDS and isinstance(v, simple)},
    )


def _model_digest(subject: str, manifests: Manifests) -> str | None:
    found = [manifest["model"] for (name, _), manifest in manifests.items() if name == subject and "model" in manifest]
    return str(found[0]) if found else None
