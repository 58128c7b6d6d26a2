"""What is learned from whom: student, teachers, objective, data, sampling, optimization and checkpoints.

These types are used by the DistillationJob's spec and, resolved, by the TrainRequest. They do not say where it runs.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gopd_api.base import LIST_SET, Model, ModelUri, Name, Path, Rule, Text, repeated, unless

Dtype = Literal["float32", "bfloat16"]
RewardScale = Annotated[float, Field(ge=0, le=2)]
Domain = Annotated[str, Field(min_length=1, max_length=64)]


class Student(Model):
    """The model that is trained."""

    model: ModelUri
    """Where training starts: `hf://org/name@revision`, or a path."""
    master_dtype: Dtype = "float32"
    """Precision of the weights that the optimizer updates and of the exported Hugging Face checkpoints."""


class Teacher(Model):
    """A model whose log-probabilities the student learns from, for the domains that it lists."""

    name: Name
    """The teacher's name in metrics, tables and errors."""
    model: ModelUri
    """`hf://org/name@revision`, or a path. Its tokenizer must be the student's."""
    domains: Annotated[list[Domain], Field(max_length=16, json_schema_extra=LIST_SET)] = []
    """Values of `data.domainField` that this teacher scores. Empty, with a single teacher: every sample."""
    reward_scale: RewardScale | None = None
    """Reward scale for this teacher's samples. Without it: `objective.rewardScale`."""
    reference: ModelUri | None = None
    """Reference model for this teacher's samples. Without it: `objective.reference`."""
    context: Annotated[int, Field(ge=16, le=1048576)] | None = None
    """Tokens that the teacher can read at most, where its own configuration says more than is right."""
    dtype: Dtype = "bfloat16"
    """Precision of the teacher's (and its reference's) weights on a GPU. On a CPU it is always float32."""
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs that one replica is spread over."""
    replicas: Annotated[int, Field(ge=1, le=64)] = 1
    """Copies of the teacher that serve side by side."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "name",
            "{name} is kept for the student and the reference in metrics",
            "give the teacher another name",
            breaks=lambda teacher: [{"name": f'"{teacher.name}"'}] if teacher.name in ("student", "reference") else [],
            cel="!(self.name in ['student', 'reference'])",
            general={"name": '"student" or "reference"'},
        ),
        Rule(
            "domains[{index}]",
            "{domain} is listed twice",
            "list every domain once",
            breaks=lambda teacher: [{"index": i, "domain": f'"{domain}"'} for i, domain in repeated(teacher.domains)],
            general={"domain": "a domain"},
            why_no_cel="the list is a set in the schema",
        ),
    )


class Importance(Model):
    """The weight w_t = min(π_train(y_t) / π_rollout(y_t), cap) that corrects for the two engines' differences."""

    level: Literal["token", "none"] = "token"
    """`token`: one weight a token; `none`: no correction (w_t = 1)."""
    cap: Annotated[float, Field(ge=1, le=1000)] = 5.0
    """Upper limit of the weight."""


class Objective(Model):
    """The G-OPD objective: A_t = λ·log π_teacher + (1−λ)·log π_reference − log π_student (arXiv 2602.12125)."""

    reward_scale: RewardScale = 1.25
    """λ. 0 stays at the reference, 1 is plain on-policy distillation, above 1 extrapolates (ExOPD)."""
    reference: ModelUri | None = None
    """The reference model. Without it: the student's start. With the teacher's own pre-RL base: reward correction."""
    importance: Importance = Importance()
    aggregation: Literal["token-mean", "sequence-mean"] = "token-mean"
    """`token-mean`: every token of the batch weighs the same; `sequence-mean`: every answer does. Neither depends on
    the micro-batch size."""
    estimator: Literal["sampled-token"] = "sampled-token"
    """How the divergence is estimated: from the sampled token's log-probabilities."""


class Data(Model):
    """The prompts that the student answers."""

    train: Path
    """File of training prompts, below the storage root."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """`jsonl`: one JSON object a line; `parquet`: a table. Both have the fields named below."""
    prompt_field: Text = "prompt"
    """Field with the prompt: a text, or a list of chat messages {role, content}."""
    domain_field: Text = "domain"
    """Field with the sample's domain, which chooses its teacher."""
    max_prompt_tokens: Annotated[int, Field(ge=1, le=1048576)] = 2048
    """Longest prompt in tokens, chat template included. Longer prompts are refused, not cut."""
    max_response_tokens: Annotated[int, Field(ge=1, le=1048576)] = 8192
    """Most tokens of an answer. Answers that reach it count as truncated."""
    enable_thinking: bool | None = None
    """Value for `enable_thinking` of chat templates that know it. Without it the template's own default holds."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "format",
            "is {format} while train ends in .{ending}",
            "set {remedy}, or rename the file",
            breaks=lambda data: [
                {"format": data.format, "ending": ending, "remedy": f"format: {ending}"}
                for ending in ("jsonl", "parquet")
                if data.train.endswith("." + ending) and data.format != ending
            ],
            cel="!self.train.endsWith(self.format == 'jsonl' ? '.parquet' : '.jsonl')",
            general={"format": "jsonl", "ending": "parquet, or the other way round", "remedy": "the file's own format"},
        ),
    )


class Sampling(Model):
    """How the student's answers are drawn while it is trained."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Must be 1: the objective compares the distributions that the answers were drawn from."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Must be 1, for the same reason."""
    samples_per_prompt: Annotated[int, Field(ge=1, le=256)] = 1
    """Answers that are drawn for each prompt of a step."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "temperature",
            "is not 1, but the objective compares the very distributions that answers are drawn from",
            "remove it, or set 1",
            breaks=unless(lambda sampling: sampling.temperature == 1),
            cel="self.temperature == 1.0",
        ),
        Rule(
            "topP",
            "is not 1, but the objective compares the very distributions that answers are drawn from",
            "remove it, or set 1",
            breaks=unless(lambda sampling: sampling.top_p == 1),
            cel="self.topP == 1.0",
        ),
    )


class Optimization(Model):
    """AdamW on the student's weights."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-5
    """Constant after the warm-up."""
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 1024
    """Prompts a step. Answers a step: this times `sampling.samplesPerPrompt`."""
    micro_batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    """Answers that go through the student at once on one device. Changes memory and speed, never the result."""
    steps: Annotated[int, Field(ge=1, le=1000000)] | None = None
    """Training steps. Give this or `epochs`."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Passes over the training prompts. Give this or `steps`."""
    warmup_steps: Annotated[int, Field(ge=0, le=100000)] = 0
    """Steps over which the learning rate rises from zero."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Decoupled weight decay of AdamW."""
    gradient_clip: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Largest norm of a step's gradient."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] = 42
    """Seed of the order of prompts and of the draws."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "steps",
            "is missing, and so is epochs",
            "set one of the two",
            breaks=unless(lambda o: o.steps is not None or o.epochs is not None),
            cel="has(self.steps) || has(self.epochs)",
        ),
        Rule(
            "epochs",
            "is set together with steps",
            "keep the one that is meant",
            breaks=unless(lambda o: o.steps is None or o.epochs is None),
            cel="!(has(self.steps) && has(self.epochs))",
        ),
        Rule(
            "warmupSteps",
            "is not below steps, so the learning rate would never be reached",
            "set fewer warm-up steps, or more steps",
            breaks=unless(lambda o: o.steps is None or o.warmup_steps < o.steps),
            cel="!has(self.steps) || self.warmupSteps < self.steps",
        ),
    )


class Checkpoints(Model):
    """When the student is saved. The last step is always saved."""

    every_steps: Annotated[int, Field(ge=1, le=100000)] = 50
    """Steps between checkpoints."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 2
    """Newest checkpoints whose optimizer state is kept for resuming. Exported models are all kept."""
