"""The algorithms of RL Zoo: name of their file, class, and arguments that an entry may give.

Source: `ALGOS` in `rl_zoo3/utils.py`, and the signatures of stable-baselines3 and sb3-contrib; a test compares them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import BadInput

_ALL = frozenset({"learning_rate", "policy_kwargs", "stats_window_size"})
_SDE = frozenset({"use_sde", "sde_sample_freq"})
_ROLLOUT = _ALL | {"n_steps", "gamma", "gae_lambda", "normalize_advantage"}
_ROLLOUT_BUFFER = frozenset({"rollout_buffer_class", "rollout_buffer_kwargs"})
_A2C = _ROLLOUT | {"ent_coef", "vf_coef", "max_grad_norm"}
_PPO = _A2C | {"batch_size", "n_epochs", "clip_range", "clip_range_vf", "target_kl"}
_REPLAY = _ALL | {
    *("buffer_size", "learning_starts", "batch_size", "gamma", "train_freq", "gradient_steps", "n_steps"),
    *("replay_buffer_class", "replay_buffer_kwargs", "optimize_memory_usage"),
}
_DQN = _REPLAY | {
    *("tau", "target_update_interval", "exploration_fraction", "exploration_initial_eps", "exploration_final_eps"),
    "max_grad_norm",
}
_NOISY = _REPLAY | {"noise_type", "noise_std"}
_DDPG = (_NOISY | {"tau"}) - {"stats_window_size"}
_SAC = _NOISY | _SDE | {"tau", "ent_coef", "target_update_interval", "target_entropy", "use_sde_at_warmup"}

_FEED_FORWARD = ("MlpPolicy", "CnnPolicy", "MultiInputPolicy")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm of RL Zoo.

    Attributes:
        stem: Name of its file, without `.yml`.
        name: Its class.
        library: The module that has it.
        arguments: Keys of an entry that belong to the algorithm itself.
        policies: Short names of its policies.
    """

    stem: str
    name: str
    library: str
    arguments: frozenset[str]
    policies: tuple[str, ...] = _FEED_FORWARD


_SB3, _CONTRIB = "stable_baselines3", "sb3_contrib"

ALGORITHMS: Mapping[str, Algorithm] = {
    one.stem: one
    for one in (
        Algorithm("a2c", "A2C", _SB3, _A2C | _SDE | _ROLLOUT_BUFFER | {"rms_prop_eps", "use_rms_prop"}),
        Algorithm("ddpg", "DDPG", _SB3, _DDPG),
        Algorithm("dqn", "DQN", _SB3, _DQN),
        Algorithm("ppo", "PPO", _SB3, _PPO | _SDE | _ROLLOUT_BUFFER),
        Algorithm("sac", "SAC", _SB3, _SAC),
        Algorithm(
            *("td3", "TD3", _SB3),
            _NOISY | {"tau", "policy_delay", "target_policy_noise", "target_noise_clip"},
        ),
        Algorithm(
            *("ars", "ARS", _CONTRIB),
            _ALL | {"n_delta", "n_top", "delta_std", "zero_policy", "alive_bonus_offset", "n_eval_episodes"},
            ("LinearPolicy", "MlpPolicy"),
        ),
        Algorithm(
            *("crossq", "CrossQ", _CONTRIB),
            (_SAC | {"policy_delay"}) - {"tau", "target_update_interval"},
            ("MlpPolicy",),
        ),
        Algorithm("qrdqn", "QRDQN", _CONTRIB, _DQN),
        Algorithm("tqc", "TQC", _CONTRIB, _SAC | {"top_quantiles_to_drop_per_net"}),
        Algorithm(
            *("trpo", "TRPO", _CONTRIB),
            _ROLLOUT
            | _SDE
            | _ROLLOUT_BUFFER
            | {"batch_size", "cg_max_steps", "cg_damping", "line_search_shrinking_factor", "line_search_max_iter"}
            | {"n_critic_updates", "target_kl", "sub_sampling_factor"},
        ),
        Algorithm(
            *("ppo_lstm", "RecurrentPPO", _CONTRIB),
            _PPO | _SDE,
            ("MlpLstmPolicy", "CnnLstmPolicy", "MultiInputLstmPolicy"),
        ),
        Algorithm("ppo_mask", "MaskablePPO", _CONTRIB, _PPO | _ROLLOUT_BUFFER),
    )
}
"""Stem of an algorithm's file -> algorithm."""

HER = "her"
"""Stem of the former file for hindsight experience replay; its entries name the algorithm as `model_class`."""

_SPELLINGS = {
    spelling: one for one in ALGORITHMS.values() for spelling in (one.stem.replace("_", ""), one.name.lower())
}


def algorithm_named(given: str) -> Algorithm | None:
    """The algorithm that a word means; upper and lower case, hyphens and underlines do not matter."""
    return _SPELLINGS.get(given.strip().replace("-", "").replace("_", "").lower())


def require_algorithm(given: str) -> Algorithm:
    """The algorithm that a word means.

    Raises:
        BadInput: There is no such algorithm.
    """
    found = algorithm_named(given)
    if found is None:
        near = difflib.get_close_matches(given.lower(), _SPELLINGS, n=1)
        known = ", ".join(ALGORITHMS)
        hint = f"Did you mean {_SPELLINGS[near[0]].stem}?" if near else f"Known: {known}."
        raise BadInput(f"there is no algorithm {given!r} in RL Zoo", remedy=hint)
    return found
