"""A training request as verl options: a pure function, the only place where verl's option names are written.

`options` gives the whole setting of verl 0.9.1 for a request, by dotted name; verl's own defaults stand for the rest.
The accelerator chooses plugins and precision, not the method. Knows no torch and no verl: golden files show its output.
"""

from collections.abc import Mapping
from typing import Any

from gopd_api.effective import Server, servers
from gopd_api.requests import TrainRequest
from gopd_trainer.core.routes import routes

Options = dict[str, Any]

AGGREGATION = {"token-mean": "token-mean", "sequence-mean": "seq-mean-token-mean"}
"""Both divide by counts of the whole batch in verl, so that neither depends on micro-batches or ranks."""

VERL_DTYPE = {"float32": "fp32", "bfloat16": "bf16"}
LOSS_NAME = "gopd"
TRAINER_MODE = "gopd"
COMMON_PLUGINS = ("gopd_trainer.shell.loss",)
CPU_PLUGINS = ("gopd_trainer.shell.cpu.platform", "gopd_trainer.shell.cpu.rollout")
ROLLOUT_ENGINE = "vllm"
"""On a CPU the transformers engine is registered under the same name, so that the same options serve both."""

RAY_CPUS = 64
"""Logical processors of a local Ray: placement only, a task is never kept waiting for a core."""


def options(request: TrainRequest, resume_from: str | None = None, folders: Mapping[str, str] | None = None) -> Options:
    """verl's options for `request`, continuing from the checkpoint folder `resume_from` when there is one.

    `folders` says where models named by `hf://` lie once they are downloaded; without it their names are shown.
    """
    tokens = request.data.max_prompt_tokens + request.data.max_response_tokens
    found = folders or {}
    chosen: Options = {}
    chosen |= _data(request)
    chosen |= _student(request, found)
    chosen |= _rollout(request, tokens)
    chosen |= _distillation(request, tokens, found)
    chosen |= _trainer(request, resume_from)
    chosen |= _cpu(request) if request.accelerator == "cpu" else _gpu(request, tokens)
    return chosen | dict(request.overrides)


def environment(request: TrainRequest) -> Mapping[str, str]:
    """Variables that verl and its plugins read at import; the same in every process of a training."""
    modules = COMMON_PLUGINS + (CPU_PLUGINS if request.accelerator == "cpu" else ())
    return {"VERL_USE_EXTERNAL_MODULES": ",".join(modules)} | (
        {"VERL_PLATFORM": "cpu"} if request.accelerator == "cpu" else {}
    )


def on_ray_cluster(chosen: Options, variables: Mapping[str, str]) -> Options:
    """The options for a Ray cluster that is there already: it has its sizes, and hands `variables` to its workers."""
    of_local_ray = (
        "ray_kwargs.ray_init.num_cpus",
        "ray_kwargs.ray_init.num_gpus",
        "ray_kwargs.ray_init.include_dashboard",
    )
    kept = {name: value for name, value in chosen.items() if name not in of_local_ray}
    return kept | {"ray_kwargs.ray_init.runtime_env.env_vars": dict(variables)}


def _data(request: TrainRequest) -> Options:
    template = {} if request.data.enable_thinking is None else {"enable_thinking": request.data.enable_thinking}
    converted = f"{request.paths.scratch}/train.parquet"
    return {
        "data.train_files": converted,
        "data.val_files": converted,
        "data.val_max_samples": 1,
        "data.train_batch_size": request.optimization.batch_size,
        "data.max_prompt_length": request.data.max_prompt_tokens,
        "data.max_response_length": request.data.max_response_tokens,
        "data.truncation": "error",
        "data.shuffle": True,
        "data.seed": request.optimization.seed,
        "data.dataloader_num_workers": 0,
        "data.apply_chat_template_kwargs": template,
    }


def _student(request: TrainRequest, folders: Mapping[str, str]) -> Options:
    actor = "actor_rollout_ref.actor"
    optimization = request.optimization
    answers = optimization.batch_size * request.sampling.samples_per_prompt
    trainer_places = request.pools.trainer_gpus_per_node * request.pools.trainer_nodes
    return {
        "actor_rollout_ref.model.path": folders.get(request.student.model, request.student.model),
        f"{actor}.strategy": "fsdp2",
        f"{actor}.loss_agg_mode": AGGREGATION[request.aggregation],
        # One update a step: the student that answered is the student that is updated.
        f"{actor}.ppo_mini_batch_size": optimization.batch_size,
        f"{actor}.ppo_epochs": 1,
        f"{actor}.ppo_micro_batch_size_per_gpu": min(optimization.micro_batch_size, max(1, answers // trainer_places)),
        f"{actor}.use_dynamic_bsz": False,
        f"{actor}.use_kl_loss": False,
        f"{actor}.calculate_entropy": True,
        f"{actor}.entropy_from_logits_with_chunking": True,
        f"{actor}.grad_clip": optimization.gradient_clip,
        f"{actor}.data_loader_seed": optimization.seed,
        f"{actor}.optim.lr": optimization.learning_rate,
        f"{actor}.optim.lr_warmup_steps": optimization.warmup_steps,
        f"{actor}.optim.weight_decay": optimization.weight_decay,
        f"{actor}.optim.clip_grad": optimization.gradient_clip,
        f"{actor}.fsdp_config.model_dtype": VERL_DTYPE[request.student.master_dtype],
        f"{actor}.fsdp_config.seed": optimization.seed,
        f"{actor}.checkpoint.save_contents": ["model", "optimizer", "extra", "hf_model"],
        f"{actor}.checkpoint.load_contents": ["model", "optimizer", "extra"],
    }


def _rollout(request: TrainRequest, tokens: int) -> Options:
    rollout = "actor_rollout_ref.rollout"
    return {
        f"{rollout}.name": ROLLOUT_ENGINE,
        f"{rollout}.n": request.sampling.samples_per_prompt,
        f"{rollout}.temperature": request.sampling.temperature,
        f"{rollout}.top_p": request.sampling.top_p,
        f"{rollout}.seed": request.optimization.seed,
        f"{rollout}.calculate_log_probs": True,
        f"{rollout}.tensor_model_parallel_size": 1,
        f"{rollout}.max_model_len": tokens + 1,
        f"{rollout}.log_prob_micro_batch_size_per_gpu": 1,
        f"{rollout}.agent.agent_loop_manager_class": "gopd_trainer.shell.agent_loop.RoutedAgentLoops",
        # The task reward is not part of the objective; no process is started to compute one.
        "reward.num_workers": 0,
    }


def _distillation(request: TrainRequest, tokens: int, folders: Mapping[str, str]) -> Options:
    loss = "distillation.distillation_loss"
    capped = request.importance.level == "token"
    chosen: Options = {
        "distillation.enabled": True,
        "distillation.n_gpus_per_node": request.pools.teacher_gpus_per_node,
        "distillation.nnodes": request.pools.teacher_nodes,
        "distillation.teacher_key": "data_source",
        f"{loss}._target_": "gopd_trainer.shell.loss.GopdLossConfig",
        f"{loss}.loss_mode": LOSS_NAME,
        # The plugin's loss carries ρ_t and w_t itself: verl only aggregates it.
        f"{loss}.use_policy_gradient": False,
        f"{loss}.use_task_rewards": False,
        f"{loss}.importance_cap": request.importance.cap if capped else None,
        f"{loss}.teachers": [teacher.name for teacher in request.teachers],
        "gopd.routes": [
            {
                "index": route.index,
                "teacher": route.teacher,
                "reference": route.reference,
                "reward_scale": route.reward_scale,
                "domains": list(route.domains),
            }
            for route in routes(request.teachers)
        ],
    }
    for number, server in enumerate(servers(request.teachers)):
        entry = f"distillation.teacher_models.server{number}"
        chosen |= _server(request, server, entry, tokens) | {
            f"{entry}.model_path": folders.get(server.model, server.model)
        }
    return chosen


def _server(request: TrainRequest, server: Server, entry: str, tokens: int) -> Options:
    """Named entries get bare dataclass defaults in verl, so that everything the default entry has is repeated here."""
    inference = f"{entry}.inference"
    return {
        f"{entry}.key": server.name,
        f"{entry}.num_replicas": server.replicas,
        f"{inference}.name": ROLLOUT_ENGINE,
        f"{inference}.dtype": server.dtype,
        f"{inference}.tensor_model_parallel_size": server.tensor_parallel,
        f"{inference}.prompt_length": request.data.max_prompt_tokens,
        f"{inference}.response_length": request.data.max_response_tokens,
        # verl scores prompt + response and draws one more token.
        f"{inference}.max_model_len": tokens + 1,
        f"{inference}.load_format": "auto",
        f"{inference}.skip_tokenizer_init": True,
        f"{inference}.temperature": 1.0,
    }


def _trainer(request: TrainRequest, resume_from: str | None) -> Options:
    optimization = request.optimization
    return {
        "gopd.scratch": request.paths.scratch,
        "gopd.failed_samples_share": request.limits.failed_samples_share,
        "algorithm.adv_estimator": "grpo",
        "trainer.v1.trainer_mode": TRAINER_MODE,
        "trainer.v1.gopd": {},
        "trainer.v1.sampler.sync_refill_failed_groups": True,
        "trainer.project_name": "gopd",
        "trainer.experiment_name": request.job.name,
        # Metrics, checkpoints and progress leave verl through the plugin's event file, not through verl's loggers.
        "trainer.logger": ["console"],
        "trainer.n_gpus_per_node": request.pools.trainer_gpus_per_node,
        "trainer.nnodes": request.pools.trainer_nodes,
        "trainer.total_training_steps": optimization.steps,
        "trainer.total_epochs": optimization.epochs or 1000000,
        "trainer.save_freq": request.checkpoints.every_steps,
        "trainer.test_freq": -1,
        "trainer.val_before_train": False,
        "trainer.default_local_dir": request.paths.checkpoints,
        # The plugin removes old checkpoints itself, after the new one is known to be whole.
        "trainer.max_actor_ckpt_to_keep": None,
        "trainer.resume_mode": "resume_path" if resume_from else "disable",
        "trainer.resume_from_path": resume_from,
    }


def _gpu(request: TrainRequest, tokens: int) -> Options:
    rollout = "actor_rollout_ref.rollout"
    scored = {
        f"distillation.teacher_models.server{number}.inference.{key}": value
        for number, _ in enumerate(servers(request.teachers))
        for key, value in {
            # The logits of a piece of a prompt lie outside of this share: 7 GiB for 8192 tokens of 152K entries.
            "gpu_memory_utilization": 0.8,
            "enforce_eager": True,
            "enable_chunked_prefill": True,
            "max_num_batched_tokens": 8192,
            "max_num_seqs": 256,
        }.items()
    }
    return {
        "trainer.device": "cuda",
        # verl's own default needs flash-attn, which the image has not: it comes as sources, to be compiled for hours.
        "actor_rollout_ref.model.override_config": {"attn_implementation": "sdpa"},
        "actor_rollout_ref.model.use_remove_padding": True,
        "actor_rollout_ref.model.enable_gradient_checkpointing": True,
        f"{rollout}.dtype": "bfloat16",
        f"{rollout}.gpu_memory_utilization": 0.6,
        f"{rollout}.max_num_batched_tokens": max(8192, tokens + 1),
        f"{rollout}.agent.num_workers": 8,
    } | scored


def _cpu(request: TrainRequest) -> Options:
    servers_count = request.pools.teacher_gpus_per_node * request.pools.teacher_nodes
    full = {"param_dtype": "fp32", "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    return {
        "trainer.device": "cpu",
        "actor_rollout_ref.model.external_lib": "gopd_trainer.shell.cpu.engine",
        "actor_rollout_ref.model.override_config": {"attn_implementation": "sdpa"},
        "actor_rollout_ref.model.use_remove_padding": False,
        "actor_rollout_ref.model.enable_gradient_checkpointing": False,
        "actor_rollout_ref.actor.use_torch_compile": False,
        "actor_rollout_ref.actor.fsdp_config.use_torch_compile": False,
        "actor_rollout_ref.actor.fsdp_config.mixed_precision": full,
        "actor_rollout_ref.rollout.dtype": "float32",
        "actor_rollout_ref.rollout.free_cache_engine": False,
        "actor_rollout_ref.rollout.agent.num_workers": 1,
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        "ray_kwargs.ray_init.num_cpus": RAY_CPUS,
        # Logical places: verl only knows how to place on a resource of that name.
        "ray_kwargs.ray_init.num_gpus": 1 + servers_count,
        "ray_kwargs.ray_init.include_dashboard": False,
    }
