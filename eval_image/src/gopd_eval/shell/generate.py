"""The generate command: everything that needs models, answers first and then divergences along them.

It decides the order of the work: what is in the store already is never drawn again, a model is loaded only when
something of its own is missing, and divergences (`kl-to-teacher`) are computed here because only here are models in
memory. Nothing is graded.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gopd_api.requests import EvalRequest, EvalSubject, EvalTask
from gopd_eval.core.digests import key, stream_seed
from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.index import Entry, divergence_parts, generation_parts, make_entry
from gopd_eval.core.problems import Problem
from gopd_eval.core.samples import Divergence, Sample, missing, wanted_samples
from gopd_eval.core.subjects import check_subjects, chosen_subjects
from gopd_eval.shell.data import read_problems, write_index
from gopd_eval.shell.engine import Draw, Engine
from gopd_eval.shell.loading import ModelPool
from gopd_eval.shell.models import ModelSource, locate
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.store import RecordFile, read_records
from gopd_eval.shell.tokenization import prompt_tokens, stop_tokens
from gopd_eval.shell.vllm_engine import VllmEngine, check_installed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DIVERGENCE_BLOCK = 64
"""Answers whose divergences are asked for at once."""


@dataclass(frozen=True)
class _Work:
    """One subject on one task."""

    subject: EvalSubject
    source: ModelSource
    task: EvalTask
    problems: list[Problem]
    parts: dict[str, Any]
    entry: Entry
    teacher: ModelSource | None


class _Part:
    """The answers of one task that are still missing, and the file that they are added to."""

    def __init__(self, work: _Work, file: RecordFile[Sample]) -> None:
        self.work, self.file = work, file
        wanted = wanted_samples([problem.id for problem in work.problems], work.task.samples)
        self.todo = missing(wanted, file.records)


def generate(request: EvalRequest, watch: Watch, only: int | None = None) -> None:
    """Draw what is missing for every subject and task of the request, and leave the index for `grade`.

    `only` restricts it to the subject of that index: other processes may draw the others at the same time.
    """
    check_subjects(request)
    places = chosen_subjects(request, only)
    if request.accelerator == "gpu":
        check_installed()
    watch.at("loading")
    works = _plan(request, places, watch)
    session = _Session(request, watch)
    for place in places:
        subject = request.subjects[place]
        own = [work for work in works if work.subject is subject]
        write_index(request, subject.name, [work.entry for work in own])
        session.draw(own)
        if request.accelerator == "cpu":
            session.diverge(own)
    if request.accelerator == "gpu":
        # vLLM must have freed the GPUs before transformers can load subject and teacher there.
        session.diverge(works)
    watch.at("finished")


def _plan(request: EvalRequest, places: Sequence[int], watch: Watch) -> list[_Work]:
    """Read the data and the digests before anything is loaded, so that wrong input is told at once."""
    store = Path(request.paths.store)
    problems = [read_problems(request, index) for index in range(len(request.tasks))]
    teachers: list[ModelSource | None] = []
    for index, task in enumerate(request.tasks):
        field = f"tasks[{index}].teacher"
        if task.benchmark == "kl-to-teacher" and task.teacher is None:
            raise EvaluationError(field, "kl-to-teacher needs a teacher", "name the model to compare with")
        teachers.append(
            locate(task.teacher, field, store) if task.benchmark == "kl-to-teacher" and task.teacher else None
        )
    works = []
    engine = "vllm" if request.accelerator == "gpu" else "transformers"
    for place in places:
        watch.beat()
        subject = request.subjects[place]
        source = locate(subject.model, f"subjects[{place}].model", store)
        for task, asked, teacher in zip(request.tasks, problems, teachers, strict=True):
            parts = generation_parts(source.digest, asked, task, request.drawing(task), engine)
            entry = make_entry(subject.name, task, asked, key(parts), teacher.digest if teacher else None)
            works.append(_Work(subject, source, task, asked, parts, entry, teacher))
    return works


class _Session:
    """The models in memory while a request is worked on."""

    def __init__(self, request: EvalRequest, watch: Watch) -> None:
        self._request, self._watch = request, watch
        self._store = Path(request.paths.store)
        self._pool = ModelPool(request.accelerator, request.cpu_threads)

    def draw(self, works: list[_Work]) -> None:
        """Draw the missing answers of one subject on all its tasks, with one loaded engine and in one go."""
        # Tasks that ask the same in the same way share their answers. Files are locked in one order by everybody.
        by_key = {work.entry.generations: work for work in works}
        with ExitStack() as stack:
            parts = []
            for key_ in sorted(by_key):
                folder = self._store / "generations" / key_
                file = stack.enter_context(RecordFile(folder, Sample, by_key[key_].parts, self._watch.beat))
                parts.append(_Part(by_key[key_], file))
            parts.sort(key=lambda part: works.index(part.work))
            if not any(part.todo for part in parts):
                return
            task = works[0].task.name if len(works) == 1 else None
            self._watch.at("loading", works[0].subject.name, task)
            engine = self._checked_engine(works)
            stack.callback(engine.close)
            done = sum(len(part.file.records) for part in parts)
            total = done + sum(len(part.todo) for part in parts)
            draws = [draw for part in parts for draw in self._draws(part, engine)]
            self._watch.at("generating", works[0].subject.name, task, total, done)
            self._draw_all(engine, parts, draws)

    def _draws(self, part: _Part, engine: Engine) -> list[Draw]:
        how = self._request.drawing(part.work.task)
        prompts = self._prompts(part.work)
        _check_context(engine, prompts, part.work, how.max_response_tokens)
        return [Draw(prompts[problem], stream_seed(how.seed, problem, sample), how) for problem, sample in part.todo]

    def _draw_all(self, engine: Engine, parts: list[_Part], draws: list[Draw]) -> None:
        wanted = [(part, sample) for part in parts for sample in part.todo]
        tokenizer = self._pool.tokenizer(parts[0].work.source)
        for place, drawn in engine.generate(draws, self._watch.beat):
            part, (problem, sample) = wanted[place]
            draw = draws[place]
            text = tokenizer.decode(drawn.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            record = Sample(problem, sample, draw.seed, len(draw.prompt), drawn.tokens, text, drawn.finish)
            part.file.append([record])
            self._watch.advance(1)

    def diverge(self, works: list[_Work]) -> None:
        """Compute the missing divergences along the answers that have been drawn."""
        for work in works:
            if work.teacher is None or work.entry.divergences is None:
                continue
            samples = read_records(self._store / "generations" / work.entry.generations, Sample)
            parts = divergence_parts(work.entry.generations, work.teacher.digest)
            folder = self._store / "divergences" / work.entry.divergences
            with RecordFile(folder, Divergence, parts, self._watch.beat) as file:
                done = {(record.problem, record.sample) for record in file.records}
                todo = sorted(
                    (s for s in samples if (s.problem, s.sample) not in done), key=lambda s: (s.problem, s.sample)
                )
                if todo and work.teacher.digest != work.source.digest:
                    self._check_vocabularies(work, work.teacher)
                    self._watch.at("loading", work.subject.name, work.task.name)
                    for source in (work.source, work.teacher):
                        self._pool.model(source)
                self._watch.at("generating", work.subject.name, work.task.name, len(samples), len(done))
                for block in _blocks(todo):
                    totals = self._totals(work, work.teacher, block)
                    found = zip(block, totals, strict=True)
                    file.append([Divergence(s.problem, s.sample, total, len(s.tokens)) for s, total in found])
                    self._watch.advance(len(block))

    def _totals(self, work: _Work, teacher: ModelSource, samples: list[Sample]) -> list[float]:
        if teacher.digest == work.source.digest:
            return [0.0] * len(samples)  # a model does not diverge from itself
        from gopd_eval.shell.divergence import answer_divergences

        prompts = self._prompts(work)
        answers = [(prompts[sample.problem], sample.tokens) for sample in samples]
        subject_model, teacher_model = self._pool.model(work.source), self._pool.model(teacher)
        _check_width(subject_model, teacher_model, self._pool.tokenizer(teacher), teacher, answers)
        batches = answer_divergences(subject_model, teacher_model, answers, self._watch.beat)
        return [total for batch in batches for total in batch]

    def _check_vocabularies(self, work: _Work, teacher: ModelSource) -> None:
        own, other = (self._pool.tokenizer(source).get_vocab() for source in (work.source, teacher))
        if own != other:
            sizes = f"{work.subject.name}'s has {len(own)} tokens, the teacher's {len(other)}"
            fault = f"the tokenizers differ ({sizes})"
            raise EvaluationError(
                teacher.field, fault, "name a teacher with the subject's tokenizer", "TokenizerMismatch"
            )

    def _prompts(self, work: _Work) -> dict[str, list[int]]:
        tokenizer = self._pool.tokenizer(work.source)
        tokens = prompt_tokens(tokenizer, work.problems, work.task.enable_thinking, work.source.field)
        return {problem.id: ids for problem, ids in zip(work.problems, tokens, strict=True)}

    def _checked_engine(self, works: list[_Work]) -> Engine:
        """The subject's engine, once its teachers are known to fit: better told before hours of drawing."""
        for work in works:
            if work.teacher is not None:
                self._check_vocabularies(work, work.teacher)
        return self._engine(works[0].source)

    def _engine(self, source: ModelSource) -> Engine:
        tokenizer = self._pool.tokenizer(source)
        if self._request.accelerator == "gpu":
            from transformers import AutoConfig, GenerationConfig

            folder = source.folder()
            configs = [AutoConfig.from_pretrained(folder)]
            if (folder / "generation_config.json").is_file():
                configs.append(GenerationConfig.from_pretrained(folder))
            return VllmEngine(
                folder, stop_tokens(tokenizer, *configs), self._request.sampling.batch_size, self._request.gpus
            )
        from gopd_eval.shell.transformers_engine import TransformersEngine

        model = self._pool.model(source)
        return TransformersEngine(model, stop_tokens(tokenizer, model.config, model.generation_config))


def _blocks(samples: list[Sample]) -> Iterator[list[Sample]]:
    for start in range(0, len(samples), DIVERGENCE_BLOCK):
        yield samples[start : start + DIVERGENCE_BLOCK]


def _check_context(engine: Engine, prompts: dict[str, list[int]], work: _Work, wanted: int) -> None:
    """A prompt must leave room for an answer; answers that the context cuts short are said, and count as cut."""
    longest = max(map(len, prompts.values()))
    if engine.context is None or longest + wanted <= engine.context:
        return
    if longest >= engine.context:
        fault = f"a prompt of {longest} tokens does not fit {work.subject.name}'s context of {engine.context} tokens"
        raise EvaluationError(f"tasks.{work.task.name}.data", fault, "shorten or remove that prompt")
    fault = f"{wanted} tokens after a prompt of {longest} exceed {work.subject.name}'s context of {engine.context}"
    click.echo(f"warning: sampling.maxResponseTokens: {fault}; answers are cut there", err=True)


def _check_width(
    subject: "PreTrainedModel",
    teacher: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    source: ModelSource,
    answers: list[tuple[list[int], list[int]]],
) -> None:
    rows = [model.get_output_embeddings().weight.shape[0] for model in (subject, teacher)]
    if min(rows) < len(tokenizer):
        fault = f"the subject's {rows[0]} and the teacher's {rows[1]} output rows do not cover {len(tokenizer)} tokens"
        raise EvaluationError(source.field, fault, "name a teacher with the subject's vocabulary", "TokenizerMismatch")
    context = getattr(teacher.config, "max_position_embeddings", None)
    longest = max(len(prompt) + len(tokens) for prompt, tokens in answers)
    if context is not None and longest > context:
        fault = f"prompt and answer of {longest} tokens exceed the teacher's context of {context}"
        raise EvaluationError(source.field, fault, "set a smaller sampling.maxResponseTokens")
