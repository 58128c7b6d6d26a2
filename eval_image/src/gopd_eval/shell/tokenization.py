"""Prompts as token ids: the model's own chat template, once, without a second token of beginning.

It decides how a prompt reaches a model. A tokenizer without a template gets the plain text, tokenised as it does by
itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gopd_eval.core.errors import EvaluationError
from gopd_eval.core.problems import Problem

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedTokenizerBase


def load_tokenizer(folder: Path, field: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model's folder. Raises EvaluationError naming `field`."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        fault = f"the tokenizer in {folder} cannot be read ({str(error).splitlines()[0]})"
        raise EvaluationError(field, fault, "save the tokenizer into the model's folder") from error


def prompt_tokens(
    tokenizer: "PreTrainedTokenizerBase", problems: Sequence[Problem], enable_thinking: bool | None, field: str
) -> list[list[int]]:
    """Token ids of each problem's prompt, ready for the model to answer.

    `enable_thinking` reaches the template only when it is set. Raises EvaluationError when the template refuses a
    prompt.
    """
    if not tokenizer.chat_template:
        return [list(tokenizer(problem.plain_text())["input_ids"]) for problem in problems]
    options = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
    tokens = []
    for problem in problems:
        text = _rendered(tokenizer, problem, options, field)
        # The template has written the token of beginning itself, where the model has one.
        tokens.append(list(tokenizer(text, add_special_tokens=False)["input_ids"]))
    return tokens


def _rendered(tokenizer: "PreTrainedTokenizerBase", problem: Problem, options: dict[str, bool], field: str) -> str:
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(problem.messages(), add_generation_prompt=True, tokenize=False, **options)
        )
    except (TemplateError, ValueError, TypeError) as error:
        fault = f"the chat template refuses problem {problem.id} ({error})"
        raise EvaluationError(field, fault, "change the prompt's roles or the template") from error


def stop_tokens(
    tokenizer: "PreTrainedTokenizerBase", *configs: "PreTrainedConfig | GenerationConfig | None"
) -> frozenset[int]:
    """Every token that ends an answer: the tokenizer's own and those of the generation and model configurations."""
    found: set[int] = set()
    for value in (tokenizer.eos_token_id, *(getattr(config, "eos_token_id", None) for config in configs)):
        found.update(value if isinstance(value, list | tuple) else [] if value is None else [value])
    return frozenset(found)
