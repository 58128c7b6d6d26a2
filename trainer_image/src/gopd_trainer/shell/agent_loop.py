"""verl's agent loop with the project's scoring: each sample by its own domain's teacher and reference.

verl's own loop asks one teacher. This one asks the routed teacher and, where the reward scale is not 1, the routed
reference, and hands the loss four columns a token (see `routes`). Failed samples are written down before verl hides
them.
"""

import asyncio
from pathlib import Path
from typing import Any

import ray
import torch
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ, AgentLoopWorkerTQ

from gopd_trainer.core.routes import Route, route_of
from gopd_trainer.shell import events

# verl decorates the class with @ray.remote; the class underneath has no public name.
KEPT_SAMPLES = 8
"""Answers a step (and a worker) that are kept with their scores, to be read by people and to prove the routing."""
SAMPLES = "samples"
"""Folder of kept samples below the scratch folder: `step-<n>.jsonl`."""

_Worker = AgentLoopWorkerTQ.__ray_metadata__.modified_class


class GopdAgentLoopWorker(_Worker):  # type: ignore[misc,valid-type]
    """Generates with the student and scores with the sample's teacher and reference."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.routes = [Route(**{**route, "domains": tuple(route["domains"])}) for route in self.config.gopd.routes]
        self.scratch = Path(self.config.gopd.scratch)
        self.failures = self.scratch / events.FAILURES
        (self.scratch / SAMPLES).mkdir(exist_ok=True)
        self.kept: tuple[int, int] = (-1, 0)

    async def _run_agent_loop(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._run_agent_loop(*args, **kwargs)
        except Exception as error:  # recorded and raised again: verl counts the sample as failed without a word
            events.write(self.failures, "failed", error=f"{type(error).__name__}: {error}"[:2000])
            raise

    async def _compute_score(self, outputs: list[Any], kwargs: dict[str, Any]) -> None:
        # The objective has no task reward; verl wants a number.
        outputs[-1].reward_score = 0.0
        outputs[-1].extra_fields["reward_extra_info"] = {}

    async def _compute_teacher_logprobs(
        self,
        output: Any,
        prompt_ids: list[int],
        response_ids: list[int],
        validate: bool,
        sample_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if validate:
            return
        domain = str((sample_kwargs or {}).get(self.teacher_key))
        route = route_of(self.routes, domain)
        asked = [route.teacher] if route.reference is None else [route.teacher, route.reference]
        answers = await asyncio.gather(
            *[
                self.teacher_server_manager.compute_teacher_logprobs_single(
                    sequence_ids=prompt_ids + response_ids, routing_key=key
                )
                for key in asked
            ]
        )
        ids, teacher = answers[0]
        reference = answers[1][1] if route.reference is not None else torch.zeros_like(teacher)
        scale = torch.full_like(teacher, route.reward_scale)
        index = torch.full_like(teacher, float(route.index))
        output.extra_fields["teacher_ids"] = ids
        output.extra_fields["teacher_logprobs"] = torch.cat([teacher, reference, scale, index], dim=-1).float()
        step = int((sample_kwargs or {}).get("global_steps", 0))
        self._keep(step, route, domain, prompt_ids, response_ids, teacher, reference)

    def _keep(
        self,
        step: int,
        route: Route,
        domain: str,
        prompt_ids: list[int],
        response_ids: list[int],
        teacher: torch.Tensor,
        reference: torch.Tensor,
    ) -> None:
        """Write down one of the first samples of the step with the scores of its answer's tokens."""
        count = self.kept[1] if self.kept[0] == step else 0
        self.kept = (step, count + 1)
        if count >= KEPT_SAMPLES:
            return
        # Row t of the scores belongs to token t + 1.
        answer = slice(len(prompt_ids) - 1, len(prompt_ids) + len(response_ids) - 1)
        events.write(
            self.scratch / SAMPLES / f"step-{step}.jsonl",
            "sample",
            domain=domain,
            teacher=route.teacher,
            reference=route.reference,
            reward_scale=route.reward_scale,
            prompt=self.tokenizer.decode(prompt_ids),
            response=self.tokenizer.decode(response_ids),
            prompt_tokens=prompt_ids,
            response_tokens=response_ids,
            teacher_log_probs=[round(value, 6) for value in teacher[answer, 0].tolist()],
            reference_log_probs=[round(value, 6) for value in reference[answer, 0].tolist()]
            if route.reference
            else None,
        )


class RoutedAgentLoops(AgentLoopManagerTQ):
    """verl's manager with the project's workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(GopdAgentLoopWorker)
