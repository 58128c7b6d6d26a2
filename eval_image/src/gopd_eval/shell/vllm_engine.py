"""Answers drawn with vLLM on GPUs.

All prompts are queued at once as token ids, and each answer is handed on when it ends, so that a killed run keeps what
was finished. vLLM draws each answer from its own seed, but its logits depend on what else is in the batch, on the GPU
and on the version: answers are not promised to repeat. vllm is imported only here.
"""

import gc
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.samples import Finish
from gopd_eval.shell.engine import Draw, Drawn

MEMORY_SHARE = 0.9


def check_installed() -> None:
    """Raises EvaluationError when there is no vllm; asked before anything is loaded."""
    if importlib.util.find_spec("vllm") is None:
        remedy = "use the GPU image, install vllm, or set accelerator: cpu"
        raise EvaluationError("accelerator", "gpu needs vllm, which is not installed", remedy)


class VllmEngine:
    """Draws from a model that vLLM has loaded."""

    def __init__(self, folder: Path, stop: frozenset[int], batch_size: int, gpus: int) -> None:
        from vllm import LLM

        self._stop = sorted(stop)
        self._llm = LLM(
            model=str(folder),
            tensor_parallel_size=max(1, gpus),
            max_num_seqs=batch_size,
            gpu_memory_utilization=MEMORY_SHARE,
            generation_config="vllm",  # the model's own sampling defaults must not leak into what was asked
        )
        self.context: int | None = self._llm.llm_engine.model_config.max_model_len

    def generate(self, draws: Sequence[Draw], beat: Callable[[], None]) -> Iterator[tuple[int, Drawn]]:
        """Draw all; yields each answer when it ends. Unfinished requests are aborted when `beat` raises."""
        from vllm import SamplingParams, TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        engine = self._llm.llm_engine
        for place, draw in enumerate(draws):
            parameters = SamplingParams(
                temperature=draw.how.temperature, top_p=draw.how.top_p, max_tokens=draw.how.max_response_tokens,
                seed=draw.seed, stop_token_ids=self._stop, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY,
            )  # fmt: skip
            engine.add_request(str(place), TokensPrompt(prompt_token_ids=draw.prompt), parameters)
        waiting = {str(place) for place in range(len(draws))}
        try:
            while engine.has_unfinished_requests():
                beat()
                for output in engine.step():
                    if output.finished:
                        waiting.discard(output.request_id)
                        answer = output.outputs[0]
                        finish: Finish = "length" if answer.finish_reason == "length" else "stop"
                        yield int(output.request_id), Drawn(list(answer.token_ids), finish)
        finally:
            if waiting:
                engine.abort_request(sorted(waiting))

    def close(self) -> None:
        """End vLLM's processes and free the GPUs for what comes next."""
        import torch

        self._llm.llm_engine.engine_core.shutdown()
        del self._llm
        gc.collect()
        torch.cuda.empty_cache()
