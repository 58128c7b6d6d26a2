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
    active: int | None = None
    """Parameters that one token goes through, where a mixture of experts makes them fewer."""
    layers: int
    hidden: int
    feed_forward: int = 0
    """Width of the feed-forward part that one token goes through: of all its experts together."""
    attention: int = 0
    """Width of the queries of a layer: heads times head dimension."""
    vocabulary: int
    kv_bytes_per_token: int
    """Bytes of one token's keys and values in bfloat16, all layers."""
    context: int | None = None
    """Tokens that it was made to read at most."""
    kv_heads: int | None = None
    """Heads of keys and values; a model cannot be spread over more GPUs without copies of them."""
    experts: int | None = None
    experts_per_token: int | None = None
    tied: bool | None = None
    """Whether the output layer is the embedding."""
    dtype: str | None = None
    """Precision that the weights are stored in."""
    disk_bytes: int | None = None

    def brief(self) -> "ModelFacts":
        """Without what no plan needs."""
        left_out = dict.fromkeys(("experts", "experts_per_token", "tied", "dtype", "disk_bytes", "kv_heads"))
        return self.model_copy(update=left_out)


class Inspection(Model):
    """What was found."""

    version: Literal["gopd.io/inspection/v1"] = "gopd.io/inspection/v1"
    faults: Annotated[list[Fault], Field(max_length=64)] = []
    """Each one sentence: field, fault, remedy. None: the job may start."""
    left_out: int = 0
    """Faults that did not fit."""
    notes: Annotated[list[Fault], Field(max_length=64)] = []
    """What is worth knowing and stops nothing."""
    prompts: int | None = None
    """Training prompts in `data.train`."""
    models: Annotated[dict[str, ModelFacts], Field(max_length=64)] = {}
    """By the model's name as the spec has it; models whose configuration was not understood are not in it."""

    @property
    def outcome(self) -> Literal["passed", "refused"]:
        """Whether the job may start."""
        return "refused" if self.faults else "passed"

    @staticmethod
    def fitting(
        faults: Sequence[str], prompts: int | None, models: Mapping[str, ModelFacts], notes: Sequence[str] = ()
    ) -> "Inspection":
        """The inspection with as many faults, then models (whole, else brief), then notes, as 4096 bytes hold."""
        short = [cut(fault) for fault in faults][:64]
        whole = Inspection(prompts=prompts)

        def fits(one: Inspection) -> bool:
            return len(compact(one).encode()) <= TERMINATION_BYTES

        def with_faults(kept: int) -> Inspection:
            return whole.model_copy(update={"faults": short[:kept], "left_out": len(faults) - kept})

        whole = with_faults(most(len(short), lambda count: fits(with_faults(count))))
        whole = _with_models(whole, models)
        said = [cut(note) for note in notes][:64]
        kept = most(len(said), lambda count: fits(whole.model_copy(update={"notes": said[:count]})))
        return whole.model_copy(update={"notes": said[:kept]})


def _with_models(found: Inspection, models: Mapping[str, ModelFacts]) -> Inspection:
    """With all models as they are; else without what no plan needs, and with as many of the first as there is room."""

    def known(kept: int, brief: bool) -> Inspection:
        first = {name: facts.brief() if brief else facts for name, facts in list(models.items())[:kept]}
        return found.model_copy(update={"models": first})

    def fits(one: Inspection) -> bool:
        return len(compact(one).encode()) <= TERMINATION_BYTES

    highest = min(64, len(models))
    if fits(known(highest, brief=False)):
        return known(highest, brief=False)
    return known(most(highest, lambda count: fits(known(count, brief=True))), brief=True)
