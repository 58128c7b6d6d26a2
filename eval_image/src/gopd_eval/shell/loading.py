"""Models and tokenizers in memory: each is loaded once a process, and the least recently used is let go.

It decides precision and device: float32 on a CPU, the stored precision on a GPU.
"""

import os
from typing import TYPE_CHECKING

from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell.models import ModelSource
from gopd_eval.shell.tokenization import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KEPT = 2
"""Models in memory at once: a subject and a teacher."""


class ModelPool:
    """Loaded transformers models by digest."""

    def __init__(self, accelerator: str, cpu_threads: int | None) -> None:
        self._accelerator, self._threads = accelerator, cpu_threads
        # Read when torch loads OpenMP. Threads that spin while they wait cost four times the work on a busy machine.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._models: dict[str, PreTrainedModel] = {}
        self._tokenizers: dict[str, PreTrainedTokenizerBase] = {}

    def tokenizer(self, source: ModelSource) -> "PreTrainedTokenizerBase":
        """The model's tokenizer."""
        if source.digest not in self._tokenizers:
            self._tokenizers[source.digest] = load_tokenizer(source.folder(), source.field)
        return self._tokenizers[source.digest]

    def model(self, source: ModelSource) -> "PreTrainedModel":
        """The causal language model, in evaluation mode. Raises EvaluationError naming the request's field."""
        model = self._models.pop(source.digest, None)
        if model is None:
            while len(self._models) >= KEPT:
                self._models.pop(next(iter(self._models)))
            model = self._load(source)
        self._models[source.digest] = model
        return model

    def _load(self, source: ModelSource) -> "PreTrainedModel":
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        gpu = self._accelerator == "gpu"
        if gpu and not torch.cuda.is_available():
            raise EvaluationError("accelerator", "gpu is asked for and there is none", "set accelerator: cpu")
        disable_progress_bar()
        torch.set_num_threads(self._threads or len(os.sched_getaffinity(0)))
        folder = source.folder()
        try:
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype="auto" if gpu else torch.float32, attn_implementation="sdpa"
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            fault = f"the model in {folder} cannot be loaded ({str(error).splitlines()[0]})"
            raise EvaluationError(source.field, fault, "give a whole Hugging Face folder of a causal model") from error
        return model.eval().to("cuda" if gpu else "cpu")
