"""Looks at what a request names before anything is started: models, tokenizers, data. Wrong input ends the attempt.

Downloads `hf://` models at their revision, checks that teachers and references read the student's tokens, and writes
the prompts as the parquet file that verl reads. Needs transformers, not a GPU.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gopd_api.effective import servers
from gopd_api.requests import TrainRequest
from gopd_trainer.core.errors import HubUnavailable, InvalidInput
from gopd_trainer.core.routes import UnknownDomainError, route_of, routes

PARQUET = "train.parquet"
PASSING = frozenset({408, 429})
"""HTTP statuses below 500 that pass by themselves."""


def model_folders(request: TrainRequest) -> dict[str, str]:
    """The local folder of every model that the request names, by the name it is given.

    Raises InvalidInput, and HubUnavailable where another attempt may find what this one could not fetch.
    """
    folders = {request.student.model: folder_of(request.student.model, "spec.student.model")}
    for index, teacher in enumerate(request.teachers):
        folders[teacher.model] = folder_of(teacher.model, f"spec.teachers[{index}].model")
        if teacher.reference is not None:
            folders[teacher.reference] = folder_of(teacher.reference, f"spec.teachers[{index}].reference")
    return folders


def folder_of(model: str, field: str) -> str:
    """Where the model lies; an `hf://` model is downloaded at its revision."""
    if not model.startswith("hf://"):
        if not (Path(model) / "config.json").is_file():
            raise InvalidInput(field, f"no model in {model} (no config.json)", "give a Hugging Face model folder")
        check_weights(Path(model), field)
        return model
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    name, _, revision = model.removeprefix("hf://").partition("@")
    try:
        return str(snapshot_download(name, revision=revision))
    except RepositoryNotFoundError as error:
        raise InvalidInput(
            field, f"the hub has no {name}", "check the name, or give HF_TOKEN for a gated one"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, httpx.TransportError) as error:
        fault, remedy = f"{name} could not be downloaded ({error})"[:500], "or download the model and give its path"
        if hub_is_away(error):
            raise HubUnavailable(f"{field}: {fault}; make the hub reachable, {remedy}") from error
        raise InvalidInput(field, fault, f"check name, revision and HF_TOKEN, {remedy}") from error


def hub_is_away(error: BaseException | None) -> bool:
    """Whether the hub did not answer, or said that it cannot now; False for what it would say again."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code in PASSING or error.response.status_code >= 500
        if isinstance(error, httpx.TransportError):
            return True
        error = error.__cause__
    return False


def check_weights(folder: Path, field: str) -> None:
    """Refuse weights that were cut off: Ray's workers would die of them one after another, far from the cause."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy"):  # reads the header and holds it against the file's size
                pass
        except SafetensorError as error:
            raise InvalidInput(field, f"{file} is damaged ({error})", "copy or make the model again") from error


def check_tokenizers(request: TrainRequest, folders: dict[str, str]) -> Any:
    """The student's tokenizer, when every teacher and reference has the same tokens; otherwise InvalidInput."""
    from transformers import AutoTokenizer

    student = AutoTokenizer.from_pretrained(folders[request.student.model])
    if not student.chat_template:
        raise InvalidInput("spec.student.model", "its tokenizer has no chat template", "give one in the model folder")
    vocabulary = student.get_vocab()
    for server in servers(request.teachers):
        index = next(i for i, teacher in enumerate(request.teachers) if teacher.name == server.teachers[0])
        field = f"spec.teachers[{index}].{'model' if server.role == 'teacher' else 'reference'}"
        other = AutoTokenizer.from_pretrained(folders[server.model])
        if other.get_vocab() != vocabulary:
            differing = sorted(set(other.get_vocab().items()) ^ set(vocabulary.items()))[:3]
            fault = f"its tokenizer differs from the student's (for example {differing})"
            raise InvalidInput(
                field, fault, "name a model with the student's tokenizer: token ids are handed over as is"
            )
        check_context(request, folders[server.model], field, request.teachers[index].context)
    check_context(request, folders[request.student.model], "spec.student.model", None)
    return student


def check_context(request: TrainRequest, folder: str, field: str, declared: int | None) -> None:
    """Refuse prompts with answers that are longer than the model can read."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    known = [value for value in (declared, config.get("max_position_embeddings")) if value]
    needed = request.data.max_prompt_tokens + request.data.max_response_tokens
    if known and needed > min(known):
        raise InvalidInput(
            field,
            f"it reads {min(known)} tokens, and maxPromptTokens + maxResponseTokens is {needed}",
            "lower spec.data.maxPromptTokens or spec.data.maxResponseTokens",
        )


def convert_data(request: TrainRequest, tokenizer: Any) -> int:
    """Write the prompts for verl into the scratch folder and return their number. Raises InvalidInput."""
    known = routes(request.teachers)
    rows, longest = [], (0, 0)
    for number, record in enumerate(read_records(Path(request.data.train), request.data.format), start=1):
        messages = messages_of(record, request.data.prompt_field, number)
        domain = str(record.get(request.data.domain_field, ""))
        try:
            route_of(known, domain)
        except UnknownDomainError as error:
            where = f"spec.data.train, line {number}, field {request.data.domain_field!r}"
            raise InvalidInput(where, *str(error).split("; ", 1)) from error
        longest = max(longest, (count_tokens(tokenizer, messages, request.data.enable_thinking), number))
        rows.append(verl_row(messages, domain, number - 1))
    if not rows:
        raise InvalidInput("spec.data.train", f"{request.data.train} has no prompts", "give at least batchSize of them")
    if longest[0] > request.data.max_prompt_tokens:
        fault = f"the prompt in line {longest[1]} has {longest[0]} tokens with its chat template"
        remedy = f"raise it above {request.data.max_prompt_tokens}, or shorten the prompt"
        raise InvalidInput("spec.data.maxPromptTokens", fault, remedy)
    if len(rows) < request.optimization.batch_size:
        fault = f"a step takes {request.optimization.batch_size} prompts, and {request.data.train} has {len(rows)}"
        raise InvalidInput("spec.optimization.batchSize", fault, "lower it, or give more prompts")
    pq.write_table(pa.Table.from_pylist(rows), Path(request.paths.scratch) / PARQUET)
    return len(rows)


def read_records(path: Path, form: str) -> Iterator[dict[str, Any]]:
    """The records of a data file. Raises InvalidInput when it is not there or cannot be read as `form`."""
    if not path.is_file():
        raise InvalidInput("spec.data.train", f"no file {path}", "give the path of a file below the storage root")
    if form == "parquet":
        try:
            yield from pq.read_table(path).to_pylist()
        except pa.ArrowInvalid as error:
            raise InvalidInput("spec.data.format", f"{path} is not parquet ({error})", "set jsonl") from error
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8"))
            except ValueError as error:
                fault = f"line {number} of {path} is not JSON in UTF-8 ({error})"
                remedy = "give one JSON object a line, or copy the file again if it was cut off"
                raise InvalidInput("spec.data.train", fault, remedy) from error
            if not isinstance(record, dict):
                raise InvalidInput("spec.data.train", f"line {number} of {path} is no object", "give one object a line")
            yield record


def messages_of(record: dict[str, Any], field: str, number: int) -> list[dict[str, str]]:
    """The prompt of a record as chat messages. Raises InvalidInput, listing the fields that there are."""
    prompt = record.get(field)
    if isinstance(prompt, str) and prompt:
        return [{"role": "user", "content": prompt}]
    if isinstance(prompt, Iterable) and prompt and all({"role", "content"} <= set(one) for one in prompt):
        return [{"role": one["role"], "content": one["content"]} for one in prompt]
    fault = f"record {number} has no prompt in field {field!r} (fields: {', '.join(sorted(record))})"
    raise InvalidInput("spec.data.promptField", fault, "name the field with a text or a list of {role, content}")


def count_tokens(tokenizer: Any, messages: list[dict[str, str]], thinking: bool | None) -> int:
    """Tokens of the prompt with its chat template."""
    options = {} if thinking is None else {"enable_thinking": thinking}
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **options)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def verl_row(messages: list[dict[str, str]], domain: str, index: int) -> dict[str, Any]:
    """A record as verl wants it; `data_source` carries the domain, which chooses the teacher."""
    return {
        "data_source": domain,
        "prompt": messages,
        "ability": domain,
        "reward_model": {"style": "rule", "ground_truth": ""},
        "extra_info": {"index": index, "split": "train"},
    }
