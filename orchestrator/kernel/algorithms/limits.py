"""Limits and texts of hyper-parameters by their name: those of the libraries, checked before a session is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.kernel.algorithms.plans import FROM_0_TO_1, NOT_NEGATIVE, POSITIVE, SHARE, limit

_OR_MINUS_1 = limit(
    lambda value: value == -1 or 0 < value < float("inf"), "must be above 0, or -1", minimum=-1, **{"not": {"const": 0}}
)

LIMITS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("n_envs", "frame_stack", "selection_scenarios", "stats_window_size"), POSITIVE),
    **dict.fromkeys(("learning_rate", "clip_range", "clip_range_vf", "delta_std"), POSITIVE),
    **dict.fromkeys(("batch_size", "buffer_size", "n_steps", "n_epochs", "policy_delay"), POSITIVE),
    **dict.fromkeys(("train_freq", "n_quantiles", "n_critics", "n_delta", "n_top", "n_eval_episodes"), POSITIVE),
    **dict.fromkeys(("cg_max_steps", "cg_damping", "line_search_max_iter", "line_search_shrinking_factor"), POSITIVE),
    **dict.fromkeys(("n_critic_updates", "sub_sampling_factor", "max_grad_norm", "target_kl"), POSITIVE),
    **dict.fromkeys(("target_policy_noise", "target_noise_clip", "rms_prop_eps", "n_sampled_goal"), POSITIVE),
    **dict.fromkeys(("lstm_hidden_size", "n_lstm_layers", "clip_mean", "batch_norm_eps"), POSITIVE),
    **dict.fromkeys(("gradient_steps", "sde_sample_freq"), _OR_MINUS_1),
    **dict.fromkeys(("learning_starts", "ent_coef", "vf_coef", "target_update_interval"), NOT_NEGATIVE),
    **dict.fromkeys(("top_quantiles_to_drop_per_net", "renorm_warmup_steps"), NOT_NEGATIVE),
    **dict.fromkeys(("gamma", "tau", "exploration_fraction"), SHARE),
    **dict.fromkeys(
        ("gae_lambda", "exploration_initial_eps", "exploration_final_eps", "batch_norm_momentum"), FROM_0_TO_1
    ),
}
"""Name of a number -> its limit, as the `metadata` of a field."""

TEXTS: Mapping[str, str] = {
    "policy": "Kind of network: `MlpPolicy` for vectors, `CnnPolicy` for images, `MultiInputPolicy` for `Dict`.",
    "policy_kwargs": "Arguments of the policy; `net_arch` replaces the card's `network`.",
    "learning_rate": "Of the optimizer: a number, `lin_3e-4` (falls to 0 at the target), or {start, end, over_steps}.",
    "clip_range": "Largest change of the probability ratio; schedules as for `learning_rate`.",
    "clip_range_vf": "Largest change of the value; default: no limit.",
    "delta_std": "Standard deviation of the perturbations; schedules as for `learning_rate`.",
    "gamma": "Discount per decision.",
    "batch_size": "Transitions per gradient update.",
    "buffer_size": "Transitions that the replay buffer holds.",
    "learning_starts": "Steps with random actions before the first update.",
    "train_freq": "Decisions per environment in one rollout; or [N, episode] for whole episodes.",
    "gradient_steps": "Updates per rollout; -1 for as many as decisions in it.",
    "n_steps": "Decisions per environment in one rollout; with a replay buffer, steps of the n-step return.",
    "n_epochs": "Passes over a rollout.",
    "gae_lambda": "Lambda of the generalized advantage estimate.",
    "ent_coef": "Weight of the entropy; where it can be learned, `auto`, or `auto_0.1` with its start value.",
    "vf_coef": "Weight of the value function's loss.",
    "max_grad_norm": "Largest norm of a gradient.",
    "target_kl": "Limit of the divergence in one update.",
    "normalize_advantage": "Whether advantages are scaled to mean 0 and standard deviation 1.",
    "target_update_interval": "Steps between copies into the target network; for DQN, 0 copies after every rollout.",
    "tau": "Soft update coefficient of the target networks, 0 to 1.",
    "target_entropy": "Entropy that a learned weight aims at; default `auto`.",
    "policy_delay": "Updates of the critics per update of the actor.",
    "target_policy_noise": "Standard deviation of the noise on the target's action.",
    "target_noise_clip": "Bound of that noise.",
    "action_noise": "Noise on the actions during training.",
    "exploration": "Probability of a random action.",
    "exploration_fraction": "Share of the target over which the probability of a random action falls.",
    "exploration_initial_eps": "Probability of a random action at the start.",
    "exploration_final_eps": "Probability of a random action at the end.",
    "n_quantiles": "Number of quantiles of the return.",
    "use_sde": "State-dependent exploration (gSDE), for continuous actions.",
    "sde_sample_freq": "Decisions between new matrices of gSDE; -1 for one per rollout.",
    "replay_buffer_class": "HerReplayBuffer, DictReplayBuffer or NStepReplayBuffer; default: what the policy needs.",
    "replay_buffer_kwargs": "Arguments of the replay buffer.",
    "optimize_memory_usage": "Whether the replay buffer stores each observation once.",
}
"""Name of an argument -> its description in the card's JSON Schema."""
