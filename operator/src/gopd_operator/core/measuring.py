"""What a DistillationJob measures: subjects, when each can be measured, and the comparison of them all.

Subjects are named `before`, `after`, `step-<n>` and, for teachers, by the teachers' own names. The baseline is the
student before training where it is measured. It does not decide how a task is run: the evaluation image does.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gopd_api.benchmarks import DEFAULT_RELEASE
from gopd_api.evaluation import MEASURED_CHECKPOINTS, EvaluationSampling, Task, figures_of, thinking_of
from gopd_api.objects import DistillationJob, EvalJob
from gopd_api.requests import EvalRequest, EvalSubject, EvalTask, TrackingRequest
from gopd_operator.core.identity import fitting_name, identity
from gopd_operator.core.paths import JobPaths, below
from gopd_operator.core.plan import Step

STUDENT_SUBJECT = re.compile(r"before|after|step-[0-9]+|s[0-9][-0-9a-z]*-seed[0-9]+")
"""Names that students have in a comparison, those of a sweep's children included."""

TOTAL_UNKNOWN = "the number of training steps follows from optimization.epochs and the number of prompts in data.train"


@dataclass(frozen=True)
class Measuring:
    """The measurements of one DistillationJob. `total` is the number of training steps, None when not known."""

    job: DistillationJob
    paths: JobPaths
    tracking: TrackingRequest
    total: int | None

    @property
    def wanted(self) -> bool:
        """Whether the job has tasks at all."""
        return bool(self.job.spec.evaluation.tasks)

    def start_subjects(self) -> list[EvalSubject]:
        """What can be measured before training: the student's start, the teachers, as the spec asks for."""
        spec = self.job.spec
        found: list[EvalSubject] = []
        if not self.wanted:
            return found
        if "start" in spec.evaluation.at:
            before = below(self.paths.root, spec.student.model)
            found.append(EvalSubject(name="before", model=before, role="student", step=0))
        if spec.evaluation.teachers:
            names = teacher_subjects([teacher.name for teacher in spec.teachers])
            found += [
                EvalSubject(name=name, model=below(self.paths.root, teacher.model), role="teacher")
                for name, teacher in zip(names, spec.teachers, strict=True)
            ]
        return found

    def starts(self) -> list[Step]:
        """The evaluation of the start subjects, where there are any."""
        subjects = self.start_subjects()
        if not subjects:
            return []
        name = "evaluate-start" if subjects[0].name == "before" else "evaluate-teachers"
        return [Step(name, "evaluate", self.paths, self.request(name, subjects, subjects[0].name))]

    def checkpoints(self) -> list[Step]:
        """The evaluations of saved students, in the order in which they appear."""
        spec = self.job.spec
        if not self.wanted:
            return []
        if self.total is None:
            asked = [at for at in ("checkpoints", "end") if at in spec.evaluation.at]
            return [
                Step(f"evaluate-{at}", "evaluate", self.paths, None, ("train",), undecided=TOTAL_UNKNOWN)
                for at in asked
            ]
        steps = [self._evaluation(f"step-{n}", n) for n in self._saved_before_end()]
        return steps + ([self._evaluation("after", self.total)] if "end" in spec.evaluation.at else [])

    def student_subjects(self) -> list[EvalSubject]:
        """The saved students that are measured; empty when the number of steps is not known."""
        return [subject for step in self.checkpoints() if isinstance(step.request, EvalRequest)
                for subject in step.request.subjects]  # fmt: skip

    def comparison(self) -> Step | None:
        """The comparison of every subject, with the student before training as baseline where it is measured."""
        evaluations = [*self.starts(), *self.checkpoints()]
        if not evaluations:
            return None
        after = tuple(step.name for step in evaluations)
        if any(step.request is None for step in evaluations):
            return Step("compare", "compare", self.paths, None, after, undecided=TOTAL_UNKNOWN)
        subjects = [*self.start_subjects(), *self.student_subjects()]
        return Step("compare", "compare", self.paths, self.request("compare", subjects, subjects[0].name), after)

    def request(self, step: str, subjects: Sequence[EvalSubject], baseline: str) -> EvalRequest:
        """The request that measures (or compares) the subjects on the job's tasks."""
        spec = self.job.spec
        first = spec.teachers[0].model
        return EvalRequest(
            job=identity(self.job),
            subjects=list(subjects),
            baseline=baseline,
            tasks=placed_tasks(spec.evaluation.tasks, spec.evaluation.sampling, self.paths, default_teacher=first),
            sampling=spec.evaluation.sampling,
            accelerator=spec.compute.accelerator,
            gpus=evaluation_gpus(self.job),
            cpu_threads=spec.compute.cpu_threads,
            paths=self.paths.for_evaluation(step, trained=spec.sweep is None),
            tracking=self.tracking,
        )

    def _saved_before_end(self) -> list[int]:
        """Training steps whose checkpoints are measured as such: `after` is the last one, where it is measured."""
        evaluation, every = self.job.spec.evaluation, self.job.spec.checkpoints.every_steps
        if "checkpoints" not in evaluation.at or self.total is None:
            return []
        saved = list(range(every, self.total, every))
        # Of steps that are given a rule refuses this; of epochs nobody knows before the data is counted.
        saved = saved[:: -(-len(saved) // MEASURED_CHECKPOINTS) or 1]
        return saved if "end" in evaluation.at else [*saved, self.total]

    def _evaluation(self, subject_name: str, step: int) -> Step:
        subject = EvalSubject(name=subject_name, model=str(self.paths.export(step)), role="student", step=step)
        name = "evaluate-end" if subject_name == "after" else f"evaluate-{subject_name}"
        request = self.request(name, [subject], subject_name)
        return Step(name, "evaluate", self.paths, request, ("train",), checkpoint=step)


def placed_tasks(
    tasks: Sequence[Task], sampling: EvaluationSampling, paths: JobPaths, default_teacher: str | None
) -> list[EvalTask]:
    """The tasks with everything decided: name, teacher, release, how answers are drawn, and paths absolute."""
    return [_placed(task, sampling, paths, default_teacher) for task in tasks]


def _placed(task: Task, sampling: EvaluationSampling, paths: JobPaths, default_teacher: str | None) -> EvalTask:
    teacher = task.teacher or (default_teacher if task.benchmark == "kl-to-teacher" else None)
    release = None if task.benchmark != "livecodebench" or task.data else task.release or DEFAULT_RELEASE
    values = {
        **task.model_dump(),
        **asdict(figures_of(task, sampling)),
        "enable_thinking": thinking_of(task, sampling),
        "name": task.name or task.benchmark,
        "data": None if task.data is None else below(paths.root, task.data),
        "teacher": None if teacher is None else below(paths.root, teacher),
        "release": release,
    }
    return EvalTask.model_validate(values)


def evaluation_gpus(job: DistillationJob | EvalJob) -> int:
    """GPUs of one evaluation: those of one node, none on a CPU."""
    return job.spec.compute.gpus_per_node if job.spec.compute.accelerator == "gpu" else 0


def teacher_subjects(names: Sequence[str]) -> list[str]:
    """The subject names of teachers: their own, behind `teacher-` where a student's subject is called so."""
    found: list[str] = []
    for name in names:
        subject = name
        while STUDENT_SUBJECT.fullmatch(subject) or (subject != name and subject in {*names, *found}):
            subject = fitting_name(f"teacher-{subject}")
        found.append(subject)
    return found
