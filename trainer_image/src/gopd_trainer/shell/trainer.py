"""verl's synchronous trainer with the project's step: no passes that the objective does not need, and exact stops.

It leaves out verl's old-log-probability and advantage passes (the loss computes both from one forward), records the
project's metrics, seals checkpoints, stops when asked to, and gives up when too many samples fail. How verl samples,
updates and saves is verl's.
"""

import os
import time
from pathlib import Path
from typing import Any

import torch
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.debug import marked_timer

from gopd_trainer.core.errors import TooManyFailedSamples
from gopd_trainer.core.metrics import rollout_metrics, step_metrics, timing_metrics
from gopd_trainer.core.options import TRAINER_MODE
from gopd_trainer.shell import checkpoint_files, events

POLL_SECONDS = 0.05
ROLLOUT_EVENT_SECONDS = 5.0
"""Least time between two signs of life while answers are drawn."""


class StopRequested(Exception):
    """Training was asked to end; the newest state is saved."""


class SampleBuffer(ReplayBuffer):
    """verl's buffer, polled faster, that replaces failed prompts whole and counts them."""

    def __init__(self, *args: Any, stop: Path, failed_share: float, failures: Path, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.poll_interval = POLL_SECONDS
        self.stop, self.failures = stop, failures
        self.failed_share, self.failed, self.sampled = failed_share, 0, 0
        self.told: tuple[float, int] = (time.monotonic(), -1)

    def sample(self, *args: Any, **kwargs: Any) -> Any:
        """One step's batch, complete. Raises TooManyFailedSamples and StopRequested."""
        self.failed, self.sampled = 0, int(kwargs["batch_size"])
        batch, metrics = super().sample(*args, **kwargs)
        metrics["gopd/failed_samples"] = float(self.failed)
        return batch, metrics

    def _terminal_eviction_reasons(self, global_steps: int, partition_id: str) -> Any:
        stale, filtered, _, counts = super()._terminal_eviction_reasons(global_steps, partition_id)
        # A prompt with one failed answer goes with all its answers: padding it would bias the batch.
        failed = set(self.failure_keys[partition_id])
        self.failed += len(failed)
        allowed = max(1, int(self.failed_share * self.sampled)) if self.failed_share > 0 else 0
        if self.failed > allowed:
            raise TooManyFailedSamples(
                f"{self.failed} of {self.sampled} prompts of step {global_steps} failed, and {allowed} may; "
                f"the last failure: {last_failure(self.failures)}"
            )
        return stale, filtered, failed, counts

    def _wait_for_next_poll(self, partition_id: str, last_debug_time: float) -> float:
        if self.stop.exists():
            raise StopRequested
        self._tell_progress(len(self.finished_keys[partition_id]))
        return float(super()._wait_for_next_poll(partition_id, last_debug_time))

    def _tell_progress(self, finished: int) -> None:
        at, last = self.told
        if finished != last and time.monotonic() - at > ROLLOUT_EVENT_SECONDS:
            self.told = (time.monotonic(), finished)
            events.write(self.stop.with_name(events.NAME), "rollout", finished=finished, total=self.sampled)


def last_failure(path: Path) -> str:
    """The text of the newest recorded failure."""
    recorded = list(events.Reader(path).new())
    return str(recorded[-1]["error"]) if recorded else "none was recorded"


@register_trainer(TRAINER_MODE)
class GopdTrainer(PPOTrainerSync):
    """One generation, one scoring, one update a step."""

    def __init__(self, config: Any) -> None:
        self.scratch = Path(config.gopd.scratch)
        self.events = self.scratch / events.NAME
        self.teachers = list(config.distillation.distillation_loss.teachers)
        self.saved_step = -1
        self.sealed = True
        self.data_state: Any = None
        self.total_training_steps = 0
        super().__init__(config)

    def _build_replay_buffer(self) -> SampleBuffer:
        # verl chooses its own synchronous behaviour by this name.
        self.trainer_mode = "sync"
        return SampleBuffer(
            trainer_mode="sync",
            trainer_config=self.config.trainer.v1.get("sync", {}),
            max_off_policy_threshold=self.config.trainer.v1.sampler.max_off_policy_threshold,
            max_off_policy_strategy=self.config.trainer.v1.sampler.max_off_policy_strategy,
            sampler_kwargs=None,
            refill_fn=self._add_prompts_to_generate,
            train_batch_size=self.config.data.train_batch_size,
            gen_batch_size=1,
            sync_refill_failed_groups=True,
            stop=self.scratch / events.STOP,
            failed_share=self.config.gopd.failed_samples_share,
            failures=self.scratch / events.FAILURES,
        )

    def on_init_end(self) -> None:
        """After a resume: tell from where, and give the rollout engine the resumed weights."""
        self.saved_step = self.global_steps
        events.write(self.events, "resumed", step=self.global_steps, total=self.total_training_steps)
        super().on_init_end()

    def step(self, metrics: dict[str, Any], timing_raw: dict[str, float]) -> Any:
        """One training step; when a stop is asked for while answers are drawn, the step before is saved."""
        self.data_state = self.train_dataloader.state_dict()
        try:
            return super().step(metrics, timing_raw)
        except StopRequested:
            self._save_step_before()
            events.write(self.events, "stopped", step=self.global_steps - 1)
            raise

    def _save_step_before(self) -> None:
        # The weights are still those of the last finished step; the prompts of this one must come again.
        self.global_steps -= 1
        if self.global_steps > 0 and self.saved_step != self.global_steps:
            self._save_checkpoint()
            torch.save(self.data_state, self._checkpoint_folder() / "data.pt")
            self._seal_checkpoint()
        self.global_steps += 1

    def _compute_old_log_prob(self, batch: Any, metrics: dict[str, Any]) -> Any:
        return batch

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        return batch

    def on_step_end(self) -> None:
        """Weights go to the rollout engine, unless this was the last step or a stop was asked for."""
        if (self.scratch / events.STOP).exists() and self.global_steps < self.total_training_steps:
            if self.saved_step != self.global_steps:
                with marked_timer("save_checkpoint", self.timing_raw):
                    self._save_checkpoint()
            events.write(self.events, "stopped", step=self.global_steps)
            self.total_training_steps = self.global_steps
        if self.global_steps < self.total_training_steps:
            super().on_step_end()

    def _checkpoint_folder(self) -> Path:
        return Path(self.config.trainer.default_local_dir) / f"global_step_{self.global_steps}"

    def _save_checkpoint(self) -> None:
        events.write(self.events, "saving", step=self.global_steps)
        folder = self._checkpoint_folder()
        if folder.exists():  # of a training that this one does not go on from; exports are links to its files
            checkpoint_files.remove(folder.parent, self.global_steps)
        super()._save_checkpoint()
        checkpoint_files.flush(folder)
        self.saved_step, self.sealed = self.global_steps, False

    def _seal_checkpoint(self) -> None:
        """Declare what was saved whole. The metrics of its step are written down before: no later attempt has them."""
        if self.sealed:
            return
        events.flush(self.events)
        world = self.config.trainer.n_gpus_per_node * self.config.trainer.nnodes
        checkpoint_files.seal(self._checkpoint_folder(), self.global_steps, world, self.config.gopd.identity)
        self.sealed = True
        events.write(self.events, "checkpoint", step=self.global_steps, path=str(self._checkpoint_folder()))

    def _compute_metrics(
        self, batch: Any, metrics: dict[str, Any], timing_raw: dict[str, float], global_steps: int, epoch: int
    ) -> None:
        prompts = [tag["prompt_len"] for tag in batch.tags if not tag.get("is_padding")]
        responses = [tag["response_len"] for tag in batch.tags if not tag.get("is_padding")]
        tokens = sum(prompts) + sum(responses)
        found = step_metrics(metrics, self.teachers)
        found |= rollout_metrics(prompts, responses, self.config.data.max_response_length)
        found |= timing_metrics(timing_raw, tokens)
        found["rollout/failed_samples"] = metrics.get("gopd/failed_samples", 0.0)
        found["train/epoch"] = float(epoch)
        events.write(
            self.events, "step", step=global_steps, total=self._planned_steps(), metrics=found, pid=os.getpid()
        )
        self._seal_checkpoint()

    def _planned_steps(self) -> int:
        return int(self.config.actor_rollout_ref.actor.optim.total_training_steps)
