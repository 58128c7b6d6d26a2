"""The verl options that the project sets itself, and the field of the API that each follows from.

`spec.overrides` may hold any other option. The table decides what is refused there; what the options are set to is the
trainer's own business. An entry covers the option and everything below it; with a `*` at its end also longer names.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Owned:
    """A verl option that is not free: what to do instead, and where it is a trap, why."""

    option: str
    instead: str
    why: str = "is set by the project"

    def pattern(self) -> str:
        """A regular expression (Python's, and RE2 for CEL) that finds the option, or what it starts with, in a key."""
        stem = re.escape(self.option.removesuffix("*"))
        return f"{stem}.*" if self.option.endswith("*") else stem


ROLLOUT = "actor_rollout_ref.rollout"
ACTOR = "actor_rollout_ref.actor"
MODEL = "actor_rollout_ref.model"
NOT_THE_STUDENTS = "is read from the student's own folder, by training and evaluation alike"
NO_REWARD = "has no part in distillation: answers are graded by spec.evaluation only"
NO_CONTEXT = "would show the teacher text that the student does not see, which is not supported"
NO_LORA = "would train a LoRA student, whose teacher or reference would silently become the bare student"

OWNED_OPTIONS: tuple[Owned, ...] = (
    Owned(f"{MODEL}.path", "set spec.student.model"),
    Owned(f"{MODEL}.base_model_path", "set spec.objective.reference or spec.teachers[].reference"),
    Owned(
        "actor_rollout_ref.ref.model.base_model_path", "add a teacher to spec.teachers", "is no second teacher's place"
    ),
    Owned("actor_rollout_ref.ref", "set spec.teachers", "has no part here: teachers and references are servers"),
    Owned(f"{MODEL}.lora*", "train all weights: LoRA students are not supported", NO_LORA),
    Owned(f"{MODEL}.target_modules", "remove it: LoRA students are not supported", NO_LORA),
    Owned(f"{MODEL}.exclude_modules", "remove it: LoRA students are not supported", NO_LORA),
    Owned(f"{MODEL}.external_lib", "remove it", "is how the project's plugins are loaded"),
    Owned(f"{MODEL}.hf_config_path", "remove it", NOT_THE_STUDENTS),
    Owned(f"{MODEL}.tokenizer_path", "remove it", NOT_THE_STUDENTS),
    Owned(f"{MODEL}.custom_chat_template", "remove it", NOT_THE_STUDENTS),
    Owned(f"{ACTOR}.lambda_vals", "set spec.objective.rewardScale"),
    Owned(f"{ACTOR}.only_reverse_kl_advantages", "remove it", "is what every DistillationJob does"),
    Owned(f"{ACTOR}.multi_teacher_distill", "list several spec.teachers with domains"),
    Owned(f"{ACTOR}.optim.lr", "set spec.optimization.learningRate"),
    Owned(f"{ACTOR}.optim.lr_warmup*", "set spec.optimization.warmupSteps"),
    Owned(f"{ACTOR}.optim.weight_decay", "set spec.optimization.weightDecay"),
    Owned(f"{ACTOR}.fsdp_config.model_dtype", "set spec.student.masterDtype"),
    Owned(f"{ACTOR}.fsdp_config.seed", "set spec.optimization.seed"),
    Owned(f"{ACTOR}.fsdp_config.strategy", "remove it: FSDP2 is the only strategy"),
    Owned(f"{ACTOR}.data_loader_seed", "set spec.optimization.seed"),
    Owned(f"{ACTOR}.optim.clip_grad", "set spec.optimization.gradientClip"),
    Owned(f"{ACTOR}.optim.total_training_steps", "set spec.optimization.steps or epochs"),
    Owned(f"{ACTOR}.grad_clip", "set spec.optimization.gradientClip"),
    Owned(
        f"{ACTOR}.ppo_mini_batch_size",
        "set spec.optimization.batchSize: a step is one batch",
        "below the batch would use log-probabilities from before the step",
    ),
    Owned(f"{ACTOR}.ppo_epochs", "remove it", "above 1 would use log-probabilities from before the step"),
    Owned(f"{ACTOR}.ppo_micro_batch_size*", "set spec.optimization.microBatchSize"),
    Owned(f"{ACTOR}.loss_agg_mode", "set spec.objective.aggregation"),
    Owned(f"{ACTOR}.loss_scale_factor", "set spec.objective.aggregation"),
    Owned(f"{ACTOR}.use_dynamic_bsz", "remove it", "would change which answers share a mean"),
    Owned(f"{ACTOR}.entropy_coeff", "remove it", "would add a term that the objective does not have"),
    Owned(f"{ACTOR}.clip_ratio*", "remove it", "has no part in the objective: every step is on-policy"),
    Owned(f"{ACTOR}.rollout_n", "set spec.sampling.samplesPerPrompt"),
    Owned(f"{ACTOR}.use_kl_loss", "remove it", "is no switch for the teacher or the reference here"),
    Owned(f"{ACTOR}.kl_loss*", "set spec.objective.rewardScale"),
    Owned(f"{ACTOR}.policy_loss", "remove it", "is the objective's, which the project computes"),
    Owned(f"{ACTOR}.strategy", "remove it: FSDP2 is the only strategy"),
    Owned(f"{ACTOR}.checkpoint", "set spec.checkpoints and spec.student.masterDtype"),
    Owned(f"{ROLLOUT}.temperature", "remove it: spec.sampling.temperature is 1"),
    Owned(f"{ROLLOUT}.top_p", "remove it: spec.sampling.topP is 1"),
    Owned(f"{ROLLOUT}.top_k", "remove it", "would change the distribution that answers are drawn from"),
    Owned(f"{ROLLOUT}.do_sample", "remove it", "would change the distribution that answers are drawn from"),
    Owned(f"{ROLLOUT}.ignore_eos", "remove it", "would change the distribution that answers are drawn from"),
    Owned(f"{ROLLOUT}.logprobs_mode", "remove it", "would change what the importance weight compares"),
    Owned(f"{ROLLOUT}.seed", "set spec.optimization.seed"),
    Owned(f"{ROLLOUT}.max_model_len", "set spec.data.maxPromptTokens and maxResponseTokens"),
    Owned(f"{ROLLOUT}.multi_turn", "remove it: answers of one turn are what is distilled"),
    Owned(f"{ROLLOUT}.nnodes", "set spec.compute.nodes"),
    Owned(f"{ROLLOUT}.n_gpus_per_node", "set spec.compute.gpusPerNode"),
    Owned(f"{ROLLOUT}.n", "set spec.sampling.samplesPerPrompt"),
    Owned(f"{ROLLOUT}.name", "set spec.compute.accelerator"),
    Owned(f"{ROLLOUT}.mode", "remove it"),
    Owned(f"{ROLLOUT}.agent", "remove it", "is how answers reach their teacher and reference"),
    Owned(f"{ROLLOUT}.prompt_length", "set spec.data.maxPromptTokens"),
    Owned(f"{ROLLOUT}.response_length", "set spec.data.maxResponseTokens"),
    Owned(f"{ROLLOUT}.calculate_log_probs", "set spec.objective.importance.level"),
    Owned(f"{ROLLOUT}.val_kwargs", "set spec.evaluation.sampling"),
    Owned("algorithm.rollout_correction", "set spec.objective.importance"),
    Owned("algorithm.use_ref_solution*", "remove it", NO_CONTEXT),
    Owned("algorithm.critique*", "remove it", NO_CONTEXT),
    Owned("algorithm", "set spec.objective", "has no other part in the objective"),
    Owned("model_engine", "remove it: FSDP2 is the only strategy"),
    Owned("distillation.teacher_models", "set spec.teachers"),
    Owned("distillation.teacher_key", "set spec.data.domainField"),
    Owned("distillation.n_gpus_per_node", "set spec.teachers[].replicas and tensorParallel"),
    Owned("distillation.nnodes", "set spec.teachers[].replicas and tensorParallel"),
    Owned("distillation.distillation_loss.loss_mode", "set spec.objective.estimator"),
    Owned("distillation", "set spec.objective and spec.teachers"),
    Owned("reward", "remove it", NO_REWARD),
    Owned("reward_model", "remove it", NO_REWARD),
    Owned("custom_reward_function", "remove it", NO_REWARD),
    Owned("sandbox_fusion", "remove it", NO_REWARD),
    Owned("gopd", "set spec.teachers and spec.objective"),
    Owned("critic", "remove it", "has no part in distillation"),
    Owned("data.train_files", "set spec.data.train"),
    Owned("data.val_*", "set spec.evaluation.tasks"),
    Owned("data.reward_fn_key", "set spec.data.domainField"),
    Owned("data.custom_cls", "set spec.data"),
    Owned("data.return_raw_chat", "remove it"),
    Owned(
        "data.filter_overlong_prompts", "set spec.data.maxPromptTokens", "would drop prompts, which are refused instead"
    ),
    Owned("data.prompt_key", "set spec.data.promptField"),
    Owned("data.train_batch_size", "set spec.optimization.batchSize"),
    Owned("data.gen_batch_size", "set spec.optimization.batchSize"),
    Owned("data.max_prompt_length", "set spec.data.maxPromptTokens"),
    Owned("data.max_response_length", "set spec.data.maxResponseTokens"),
    Owned("data.truncation", "set spec.data.maxPromptTokens", "would cut prompts, which are refused instead"),
    Owned("data.apply_chat_template_kwargs", "set spec.data.enableThinking"),
    Owned("data.seed", "set spec.optimization.seed"),
    Owned("trainer.total_training_steps", "set spec.optimization.steps"),
    Owned("trainer.total_epochs", "set spec.optimization.epochs"),
    Owned("trainer.save_freq", "set spec.checkpoints.everySteps"),
    Owned("trainer.max_actor_ckpt_to_keep", "set spec.checkpoints.keep"),
    Owned("trainer.test_freq", "set spec.evaluation.at"),
    Owned("trainer.val_before_train", "set spec.evaluation.at"),
    Owned("trainer.val_only", "write an EvalJob"),
    Owned(
        "trainer.default_local_dir", "set spec.storage", "is decided by the job's name, so that a new attempt finds it"
    ),
    Owned(
        "trainer.resume*",
        "remove it",
        "is decided by the project: a new attempt goes on from the last whole checkpoint",
    ),
    Owned("trainer.logger", "set spec.tracking"),
    Owned("trainer.project_name", "set spec.tracking.experiment"),
    Owned("trainer.experiment_name", "set metadata.name"),
    Owned("trainer.n_gpus_per_node", "set spec.compute.gpusPerNode"),
    Owned("trainer.nnodes", "set spec.compute.nodes"),
    Owned("trainer.device", "set spec.compute.accelerator"),
    Owned("trainer.esi_redundant_time", "set spec.lifecycle.activeDeadlineSeconds"),
    Owned("trainer.default_hdfs_dir", "set spec.storage"),
    Owned("trainer.use_v1", "remove it"),
    Owned("trainer.v1", "remove it"),
    Owned("trainer.checkpoint_callback_class", "remove it"),
    Owned("ray_kwargs", "set spec.compute"),
)


def owner_of(key: str) -> Owned | None:
    """The first entry that covers a verl option, or None where the option is free."""
    return next((owned for owned in OWNED_OPTIONS if re.match(f"(?:{owned.pattern()})(?:\\.|$)", key)), None)


def owned_pattern() -> str:
    """One regular expression for the options of the whole table."""
    return "^(?:" + "|".join(owned.pattern() for owned in OWNED_OPTIONS) + ")(?:\\.|$)"
