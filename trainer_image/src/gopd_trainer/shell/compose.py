"""Options by name become verl's configuration object, checked by verl's own validation.

The options are applied to verl's own defaults; a name that verl does not have is added, as its plugins' options are.
"""

from collections.abc import Mapping
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from omegaconf import DictConfig, OmegaConf, open_dict


def compose(options: Mapping[str, Any]) -> DictConfig:
    """verl's `ppo_trainer` configuration with `options` set."""
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = hydra_compose("ppo_trainer")
    with open_dict(config):
        for name, value in options.items():
            OmegaConf.update(config, name, value, force_add=True)
    return config


def validate(config: DictConfig) -> None:
    """verl's own checks of a composed configuration. Raises what verl raises: AssertionError, ValueError."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    validate_config(config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
    omega_conf_to_dataclass(config.distillation)
    omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
