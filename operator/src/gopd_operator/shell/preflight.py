"""What `gopd run` checks before it starts anything: inputs that are there and fit together, a GPU, room on the disk.

Everything that is wrong is found at once and said field by field. The trainer checks again what only a loaded model or
tokenizer can tell. On a cluster the same checks are made by `gopd inspect`, but for those of this machine. Limits: `hf://`
models are not looked up.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gopd_api.benchmarks import data_sets, entry_path, fetch_command
from gopd_api.effective import effective_reference
from gopd_api.evaluation import Task
from gopd_api.objects import DistillationJob, EvalJob
from gopd_operator.core.paths import DATA_STORE, below
from gopd_operator.shell import models
from gopd_operator.shell.disk import disk_findings
from gopd_operator.shell.prompts import Prompts, read_prompts
from gopd_operator.shell.weights import torn_weights

MADE_BY = "gopd.io/made-by"
"""Annotation: the command that makes the inputs, for the message when they are missing."""


@dataclass
class Findings:
    """What was found: faults end the command, notes are only said."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prompts: int | None = None
    """Training prompts, where they could be read."""


def check(job: DistillationJob | EvalJob, root: Path, *, here: bool = True) -> Findings:
    """Everything that can be told without loading a model; `here`: the job is to run on this machine."""
    found = Findings()
    if here and (ignored := cluster_only(job)):
        found.notes.append(f"not used by gopd run, only on a cluster: {', '.join(ignored)}")
    found.faults += [f"{where}: {fault}" for where, fault in _input_faults(job, root, found)]
    if here:
        found.faults += accelerator_faults(job)
    if isinstance(job, DistillationJob) and not found.faults:
        room = disk_findings(job, root)
        found.faults += room.faults
        found.notes += room.notes
    return found


def cluster_only(job: DistillationJob | EvalJob) -> list[str]:
    """The fields that the spec sets and a local run has no use for."""
    spec = job.spec
    named = {
        "compute.image": spec.compute.image,
        "compute.podPatches": spec.compute.pod_patches,
        "scheduling.queue": spec.scheduling.queue,
        "scheduling.priority": spec.scheduling.priority,
        "storage": spec.storage.model_fields_set,
        "tracking.secret": spec.tracking.secret,
        "lifecycle.suspend": spec.lifecycle.suspend,
        "lifecycle.ttlSecondsAfterFinished": spec.lifecycle.ttl_seconds_after_finished,
    }
    if isinstance(job, DistillationJob) and job.spec.sweep is not None:
        named["sweep.maxParallel"] = job.spec.sweep.max_parallel > 1
    return [f"spec.{name}" for name, value in named.items() if value]


def accelerator_faults(job: DistillationJob | EvalJob) -> list[str]:
    """GPUs that the spec asks for and this machine has not."""
    compute = job.spec.compute
    if compute.accelerator == "cpu":
        return []
    remedy = "set compute.accelerator: cpu for a small model, or apply the object to a cluster"
    if compute.nodes > 1:
        return [f"spec.compute.nodes: {compute.nodes} nodes were asked for and gopd run has one machine; {remedy}"]
    there = gpu_count()
    if there == 0:
        return [f"spec.compute.accelerator: gpu was asked for and CUDA finds none here; {remedy}"]
    if there < compute.gpus_per_node:
        return [
            f"spec.compute.gpusPerNode: {compute.gpus_per_node} GPUs were asked for and this machine has {there}; "
            "ask for fewer, or apply the object to a cluster"
        ]
    return []


def gpu_count() -> int:
    """GPUs that CUDA lets this process see, asked of the driver so that no CUDA library is imported."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:  # no driver: no GPU
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


Finding = tuple[str, str]


def _input_faults(job: DistillationJob | EvalJob, root: Path, found: Findings) -> Iterator[Finding]:
    made_by = job.metadata.annotations.get(MADE_BY)
    remedy = f"make it with `{made_by}`" if made_by else "give a path below the work directory, or an absolute one"
    named = list(loaded_models(job))
    missing = set()
    for where, model in named:
        folder = local_folder(model, root)
        if folder is None:
            continue
        if fault := models.folder_fault(folder):
            missing.add(model)
            yield where, f"{fault}; {remedy}"
        elif torn := torn_weights(folder):
            yield where, f"{torn}; copy or make the model again"
    tasks = job.spec.evaluation.tasks if isinstance(job, DistillationJob) else job.spec.tasks
    parent = "spec.evaluation.tasks" if isinstance(job, DistillationJob) else "spec.tasks"
    for index, task in enumerate(tasks):
        yield from _task_faults(task, f"{parent}[{index}]", root, remedy)
    if isinstance(job, DistillationJob):
        yield from _prompt_faults(job, root, remedy, found)
        if job.spec.student.model not in missing:
            yield from _fit_faults(job, root, [(where, model) for where, model in named[1:] if model not in missing])


def _task_faults(task: Task, field: str, root: Path, remedy: str) -> Iterator[Finding]:
    if task.data is None:
        store = str(root / DATA_STORE)
        for name in data_sets(task.benchmark, task.release):
            if not Path(entry_path(store, name)).is_file():
                yield f"{field}.benchmark", f"{store} does not hold {name}; get it with `{fetch_command(store, name)}`"
        return
    file = Path(below(str(root), task.data))
    if not file.is_file():
        yield f"{field}.data", f"no file {file}; {remedy}"
    elif not file.stat().st_size:
        yield f"{field}.data", f"{file} is empty; write one problem a line"


def local_folder(model: str, root: Path) -> Path | None:
    """The folder of a model, None for one that is fetched."""
    return None if model.startswith("hf://") else Path(below(str(root), model))


def loaded_models(job: DistillationJob | EvalJob) -> Iterator[Finding]:
    """Every model that the job loads, by field, the student first; one that is loaded twice is named once."""
    if isinstance(job, EvalJob):
        for index, subject in enumerate(job.spec.subjects):
            if subject.model:
                yield f"spec.subjects[{index}].model", subject.model
        for index, task in enumerate(job.spec.tasks):
            if task.teacher:
                yield f"spec.tasks[{index}].teacher", task.teacher
        return
    spec = job.spec
    yield "spec.student.model", spec.student.model
    seen = {spec.student.model}
    for where, model in _scoring_models(job):
        if model not in seen:
            seen.add(model)
            yield where, model


def _scoring_models(job: DistillationJob) -> Iterator[Finding]:
    """Teachers, references and the teachers of tasks, by field."""
    spec = job.spec
    for index, teacher in enumerate(spec.teachers):
        where = f"spec.teachers[{index}]"
        yield f"{where}.model", teacher.model
        if reference := effective_reference(spec, teacher):
            yield f"{where}.reference" if teacher.reference else "spec.objective.reference", reference
    for index, task in enumerate(spec.evaluation.tasks):
        if task.teacher:
            yield f"spec.evaluation.tasks[{index}].teacher", task.teacher


def _prompt_faults(job: DistillationJob, root: Path, remedy: str, found: Findings) -> Iterator[Finding]:
    data = job.spec.data
    file = Path(below(str(root), data.train))
    if not file.is_file():
        yield "spec.data.train", f"no file {file}; {remedy}"
        return
    prompts = read_prompts(file, data)
    for fault in prompts.faults:
        yield "spec.data.train", fault
    if prompts.faults:
        return
    found.prompts = prompts.count
    batch = job.spec.optimization.batch_size
    if prompts.count < batch:
        yield "spec.optimization.batchSize", f"is {batch}, and {file} has {prompts.count} prompts; set at most that"
    yield from _routing_faults(job, file, prompts)


def _routing_faults(job: DistillationJob, file: Path, prompts: Prompts) -> Iterator[Finding]:
    """Every domain of the data has a teacher, and every teacher's domain is in the data."""
    teachers, name = job.spec.teachers, job.spec.data.domain_field
    if len(teachers) == 1 and not teachers[0].domains:
        return
    known = {domain for teacher in teachers for domain in teacher.domains}
    if prompts.without_domain:
        yield "spec.data.domainField", f"{prompts.without_domain} prompts of {file} have no {name!r}; add it to them"
    for domain in sorted(set(prompts.domains) - known):
        count = prompts.domains[domain]
        yield (
            "spec.teachers",
            f"no teacher has the domain {domain!r} of {count} prompts; add it to a teacher's domains "
            f"(they have {', '.join(sorted(known)) or 'none'})",
        )
    for index, teacher in enumerate(teachers):
        for domain in (one for one in teacher.domains if one not in prompts.domains):
            there = ", ".join(sorted(prompts.domains)) or "none"
            yield f"spec.teachers[{index}].domains", f"{domain!r} is in no prompt; the data has the domains {there}"


def _fit_faults(job: DistillationJob, root: Path, others: list[Finding]) -> Iterator[Finding]:
    """Tokenizers and templates that are not the student's, and contexts that are too short."""
    student = local_folder(job.spec.student.model, root)
    data = job.spec.data
    length = data.max_prompt_tokens + data.max_response_tokens + 1
    declared = {teacher.model: teacher.context for teacher in job.spec.teachers if teacher.context}
    try:
        for where, model in [("spec.student.model", job.spec.student.model), *others]:
            folder = local_folder(model, root)
            if folder is None:
                continue
            context = declared.get(model) or models.context_length(folder)
            if context is not None and length > context:
                yield (
                    where,
                    f"reads {context} tokens, less than the {length} of the longest prompt, the longest answer and one "
                    "more; set smaller data.maxPromptTokens or maxResponseTokens, or take another model",
                )
            if student is None or folder == student:
                continue
            if difference := models.tokenizer_difference(student, folder):
                yield (
                    where,
                    f"its tokenizer is not the student's ({difference}); use a model with the student's tokenizer",
                )
            elif models.chat_template(student) != models.chat_template(folder):
                yield where, "its chat template is not the student's; give both the same template"
    except ValueError as error:
        yield "spec.student.model", f"{error}; mend or fetch the model again"
