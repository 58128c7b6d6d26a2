"""One Ray actor that holds every transformers model of a training: the student's rollout copy, teachers, references.

One process instead of one a model: each would import torch again and they would fight for the same cores. Requests of
a model that wait together are drawn or scored together. verl reaches it through the stand-in handles in `rollout`.
"""

import asyncio
import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from verl.workers.rollout.replica import TokenOutput

from gopd_trainer.shell.cpu.generation import Draw, Model, stream_key

GATHER_SECONDS = 0.02
"""How long a first request waits for others to be computed with."""


@dataclass
class Waiting:
    """A request and where its answer goes."""

    tokens: list[int]
    parameters: dict[str, Any]
    answer: "asyncio.Future[TokenOutput]"


@dataclass
class Server:
    """One logical server: a model, its configuration and its queue."""

    model: Model
    config: Any
    seed: int
    step: int | None = None
    waiting: list[Waiting] = field(default_factory=list)
    seen: dict[tuple[int, ...], int] = field(default_factory=lambda: defaultdict(int))
    """How often each prompt was drawn for since the weights changed: equal prompts get different answers."""


class Host:
    """The actor's class. Methods take the logical server's name first."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self.servers: dict[str, Server] = {}
        self.frozen: dict[str, Model] = {}
        self.worker: asyncio.Task[None] | None = None

    def add(self, name: str, path: str, config: Any, seed: int, trained: bool) -> None:
        """Start a logical server. Models that are never trained are loaded once for all who name the same folder."""
        if trained:
            model = Model(path)
        else:
            real = os.path.realpath(path)
            model = self.frozen[real] = self.frozen.get(real) or Model(path)
        self.servers[name] = Server(model, config, seed)

    async def load(self, name: str, weights: dict[str, Any], step: int | None) -> None:
        """Give the server new weights; its random streams begin anew with the step."""
        server = self.servers[name]
        server.model.load(weights)
        if step is not None:
            server.step = step
        server.seen.clear()

    async def set_global_steps(self, name: str, step: int) -> None:
        """Tell the server which step its weights are of."""
        self.servers[name].step = step

    async def get_rollout_config(self, name: str) -> Any:
        """The configuration that the server was started with."""
        return self.servers[name].config

    async def abort_all_requests(self, name: str, reject_request: bool = False) -> dict[str, Any]:
        """verl asks for this when it interrupts rollouts; there is nothing to interrupt between its steps."""
        return {"aborted_count": 0, "request_ids": []}

    async def generate(
        self, name: str, prompt_ids: list[int], sampling_params: dict[str, Any], request_id: str, **_: Any
    ) -> TokenOutput:
        """Draw an answer, or score the prompt itself when `prompt_logprobs` is asked for."""
        future: asyncio.Future[TokenOutput] = asyncio.get_running_loop().create_future()
        self.servers[name].waiting.append(Waiting(list(prompt_ids), dict(sampling_params), future))
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        while any(server.waiting for server in self.servers.values()):
            for server in self.servers.values():
                batch, server.waiting = server.waiting, []
                for kind in (self._draw, self._score):
                    some = [one for one in batch if is_scoring(one) == (kind == self._score)]
                    if some:
                        self._answer(kind, server, some)
                # Lets new requests in, which Ray delivers on this loop.
                await asyncio.sleep(0)

    @staticmethod
    def _answer(kind: Any, server: Server, batch: list[Waiting]) -> None:
        try:
            outputs = kind(server, batch)
        except Exception as error:  # noqa: BLE001  handed to each caller: the actor itself must live on
            for one in batch:
                if not one.answer.done():  # whoever asked may have gone, as below
                    one.answer.set_exception(error)
            return
        for one, output in zip(batch, outputs, strict=True):
            if not one.answer.done():
                one.answer.set_result(output)

    @staticmethod
    def _score(server: Server, batch: list[Waiting]) -> list[TokenOutput]:
        scores = server.model.score([one.tokens for one in batch])
        # verl's layout: row t holds token t+1 and its log-probability; the last row belongs to no token.
        return [
            TokenOutput(
                token_ids=[0],
                log_probs=None,
                stop_reason="completed",
                extra_fields={
                    "global_steps": server.step,
                    "prompt_ids": [[token] for token in one.tokens[1:]] + [[0]],
                    "prompt_logprobs": [[value] for value in score.tolist()] + [[0.0]],
                },
            )
            for one, score in zip(batch, scores, strict=True)
        ]

    @staticmethod
    def _draw(server: Server, batch: list[Waiting]) -> list[TokenOutput]:
        draws = []
        for one in batch:
            prompt = tuple(one.tokens)
            server.seen[prompt] += 1
            draws.append(
                Draw(
                    one.tokens,
                    float(one.parameters.get("temperature", 1.0)),
                    int(one.parameters.get("max_tokens") or server.config.response_length),
                    stream_key(server.seed, server.step, prompt, server.seen[prompt]),
                )
            )
        return [
            TokenOutput(
                token_ids=answer.tokens,
                log_probs=answer.log_probs,
                stop_reason="completed",
                extra_fields={"global_steps": server.step, "num_cached_tokens": 0},
            )
            for answer in server.model.generate(draws)
        ]


def is_scoring(one: Waiting) -> bool:
    """Whether the request asks for the log-probabilities of its own tokens."""
    return one.parameters.get("prompt_logprobs") is not None
