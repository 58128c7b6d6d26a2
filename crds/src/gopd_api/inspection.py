"""What a look at a job's inputs finds, before anything is booked: faults, and the facts that a plan rests on.

It travels as a pod's last words, so it holds at most 4096 bytes. It decides nothing: the operator reads it and plans.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from gopd_api.base import Model
from gopd_api.endings import TERMINATION_BYTES, compact, cut, most

Fault = Annotated[str, Field(max_length=1024)]


class ModelFacts(Model):
    """The size of a model, from its configuration."""

    parameters: int
    layers: int
    hidden: int
    vocabulary: int
    kv_bytes_per_token: int
    """Bytes of one token's keys and values in bfloat16, all layers."""
    context: int | None = None
    """Tokens that it was made to read at most."""


class Inspection(Model):
    """What was found."""

    version: Literal["gopd.io/inspection/v1"] = "gopd.io/inspection/v1"
    faults: Annotated[list[Fault], Field(max_length=64)] = []
    """Each one sentence: field, fault, remedy. None: the job may start."""
    left_out: int = 0
    """Faults that did not fit."""
    prompts: int | None = None
    """Training prompts in `data.train`."""
    models: Annotated[dict[str, ModelFacts], Field(max_length=64)] = {}
    """By the model's name as the spec has it; models whose configuration was not understood are not in it."""

    @staticmethod
    def fitting(faults: Sequence[str], prompts: int | None, models: Mapping[str, ModelFacts]) -> "Inspection":
        """The inspection with as many faults, and then as many models, as 4096 bytes hold."""
        short = [cut(fault) for fault in faults][:64]

        def found(kept: int, known: int) -> Inspection:
            return Inspection(
                faults=short[:kept],
                left_out=len(faults) - kept,
                prompts=prompts,
                models=dict(list(models.items())[:known]),
            )

        def fits(one: Inspection) -> bool:
            return len(compact(one).encode()) <= TERMINATION_BYTES

        kept = most(len(short), lambda count: fits(found(count, 0)))
        return found(kept, most(min(64, len(models)), lambda count: fits(found(kept, count))))
