"""`gopd plan`: a plan as a table, as YAML or as JSON, with the verl options that its trainings would run with.

The options are the trainer's own words: its program is asked with the request and touches nothing.
"""

import json
import subprocess
from collections.abc import Mapping
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from gopd_api.requests import TrainRequest
from gopd_operator.core.plan import Plan, Step, Training
from gopd_operator.shell.attempt import Programs
from gopd_operator.shell.memory_view import Needs, needs_data, show_needs

NOT_INSTALLED = "the trainer (gopd-trainer) is not installed here, so its verl options are not shown"


class OptionsUnknown(Exception):
    """The trainer could not be asked; the message says why."""


def verl_options(request: TrainRequest, programs: Programs) -> list[str]:
    """The verl options (`key=value`) of a training, from `gopd_trainer options`. Raises OptionsUnknown."""
    command = [*programs.train, "options", "--request", "-"]
    answer = subprocess.run(command, input=request.to_json(), capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        try:
            options: list[str] = json.loads(answer.stdout)
            return options
        except ValueError:
            raise OptionsUnknown("the trainer's answer about its verl options is not JSON") from None
    if "No module named gopd_trainer" in answer.stderr:
        raise OptionsUnknown(NOT_INSTALLED)
    lines = answer.stderr.strip().splitlines()
    raise OptionsUnknown(f"the trainer could not say its verl options: {lines[-1] if lines else answer.returncode}")


def options_of(plan: Plan, programs: Programs) -> tuple[dict[str, list[str]], list[str]]:
    """The verl options of each training step (of a sweep: of its first, the others differ in seed and scale)."""
    found: dict[str, list[str]] = {}
    notes = []
    trains = [step for step in plan.steps if isinstance(step.request, TrainRequest)]
    for step in trains[:1]:
        assert isinstance(step.request, TrainRequest)
        try:
            found[step.name] = verl_options(step.request, programs)
        except OptionsUnknown as error:
            notes.append(str(error))
    return found, notes


def as_data(
    plan: Plan, options: Mapping[str, list[str]], notes: list[str], needs: Needs | None = None
) -> dict[str, Any]:
    """The whole plan as plain values."""
    return {
        "job": plan.job.model_dump(by_alias=True),
        "kind": plan.kind,
        "folder": str(plan.paths.folder),
        "trainings": [_training_data(training) for training in plan.trainings],
        **({"needs": needs_data(needs)} if needs is not None else {}),
        "steps": [_step_data(step) for step in plan.steps],
        "verlOptions": dict(options),
        "notes": notes,
    }


def _training_data(training: Training) -> dict[str, Any]:
    return {
        "name": training.job.name,
        "totalSteps": training.total_steps,
        "answersPerStep": training.answers_per_step,
        "mostTokens": training.most_tokens,
        "pools": training.pools.model_dump(by_alias=True),
    }


def _step_data(step: Step) -> dict[str, Any]:
    request = step.request
    return {
        "name": step.name,
        "kind": step.kind,
        "after": list(step.after),
        **({"checkpoint": step.checkpoint} if step.checkpoint is not None else {}),
        **({"undecided": step.undecided} if request is None else {}),
        **({"digest": request.digest(), "request": json.loads(request.to_json())} if request is not None else {}),
    }


def show_plan(
    console: Console, plan: Plan, options: Mapping[str, list[str]], notes: list[str], needs: Needs | None = None
) -> None:
    """The plan for people: sizes, memory, steps, options."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    say(f"{plan.kind} {plan.job.namespace}/{plan.job.name}")
    say(f"folder: {plan.paths.folder}")
    for training in plan.trainings[:1]:
        many = f"{len(plan.trainings)} trainings, each: " if len(plan.trainings) > 1 else "training: "
        say(many + training_words(training, _accelerator(plan)))
    if needs is not None:
        show_needs(console, needs)
    console.print(_steps_table(plan))
    for name, values in options.items():
        say(f"verl options of {name}:")
        for value in values:
            say(f"  {value}")
    for note in notes:
        say(f"note: {note}")


def _steps_table(plan: Plan) -> Table:
    """A row for each step; of a sweep's children, which differ in reward scale and seed only, the first one's."""
    table = Table(header_style="")
    for name in ("step", "kind", "after", "what"):
        table.add_column(name, overflow="fold", no_wrap=name in ("step", "kind"))
    first = next((step.name.partition("/")[0] for step in plan.steps if "/" in step.name), None)
    root = f"{plan.paths.root}/"
    for step in plan.steps:
        child = step.name.partition("/")[0] if "/" in step.name else None
        if child == first or child is None:
            after = [name for name in step.after if "/" not in name or name.partition("/")[0] == first]
            more = [f"{len(step.after) - len(after)} more"] if len(after) < len(step.after) else []
            table.add_row(step.name, step.kind, ", ".join(after + more), _what(step).replace(root, ""))
        elif step.kind == "train":
            table.add_row(f"{child}/...", "", "", ", ".join(_scales(step)))
    return table


def _accelerator(plan: Plan) -> str:
    return next((step.request.accelerator for step in plan.steps if step.request is not None), "gpu")


def training_words(training: Training, accelerator: str) -> str:
    """Steps, tokens and places of a training in one line."""
    steps = "steps: as many as the data gives" if training.total_steps is None else f"{training.total_steps} steps"
    tokens = "" if training.most_tokens is None else f", at most {training.most_tokens:,} tokens"
    pools = training.pools
    own, theirs = (
        pools.trainer_gpus_per_node * pools.trainer_nodes,
        pools.teacher_gpus_per_node * pools.teacher_nodes,
    )
    unit = "GPUs" if accelerator == "gpu" else "processes"
    places = f"{own + theirs} {unit}: {own} for the student, {theirs} for teachers and references"
    return f"{steps} of {training.answers_per_step} answers{tokens}; {places}"


def _what(step: Step) -> str:
    request = step.request
    if request is None:
        return f"undecided: {step.undecided}"
    if isinstance(request, TrainRequest):
        return f"{request.student.model} learns from {', '.join(_scales(step))}"
    subjects = ", ".join(subject.name for subject in request.subjects)
    tasks = ", ".join(task.name for task in request.tasks)
    return f"{subjects} on {tasks}" if step.kind == "evaluate" else f"{subjects}; baseline {request.baseline}"


def _scales(step: Step) -> list[str]:
    request = step.request
    assert isinstance(request, TrainRequest)
    seed = f"seed {request.optimization.seed}"
    return [*(f"{teacher.name} at reward scale {teacher.reward_scale:g}" for teacher in request.teachers), seed]
