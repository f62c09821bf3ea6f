"""Checks of a block beyond the types of its keys: limits of numbers by their names, and what must agree."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from orchestrator.kernel.algorithms.plans import FROM_0_TO_1, NOT_NEGATIVE, POSITIVE, SHARE, limit, rate_faults
from orchestrator.kernel.algorithms.policies import class_path_faults, network_faults, wrapper_faults
from orchestrator.kernel.algorithms.registry import Algorithm, constructor_of, replay_buffer_arguments

BUFFERS = ("ReplayBuffer", "DictReplayBuffer", "NStepReplayBuffer", "HerReplayBuffer")
"""Replay buffers of the library that a card names without a path."""
_MOST_ENVS = 65_536
"""More environments are refused by their own limit."""
_NAN_OF_ONE = ("RecurrentPPO", "MaskablePPO")
"""Algorithms that divide a single advantage by its standard deviation, which is NaN; the others leave it as it is."""
_FOR_DICT = ("DictReplayBuffer", "HerReplayBuffer")


class Wanted(Protocol):
    """What the checks need of `HyperParameters`; a block's further keys are its fields."""

    algorithm: str
    n_envs: int
    entry: Algorithm
    arguments: dict[str, Any]
    policy_name: str
    by_episodes: bool
    rollout_steps: int

    def value(self, name: str) -> Any:
        """A constructor's argument: the card's, or the library's default."""
        ...

    def __getattr__(self, name: str) -> Any:
        """Any key of the block."""
        ...


def faults_of(wanted: Wanted) -> Iterator[str]:
    """Values that are not allowed together, one sentence each."""
    for name, argument in constructor_of(wanted.algorithm).arguments.items():
        if "schedule" in argument.types:
            yield from rate_faults(name, getattr(wanted, name))
    for name in ("env_wrapper", "vec_env_wrapper"):
        yield from wrapper_faults(name, getattr(wanted, name))
    yield from network_faults(wanted.policy_kwargs, wanted.entry.learns)
    lacking = constructor_of(wanted.algorithm).policies[wanted.policy_name]
    for name in wanted.policy_kwargs.given if wanted.policy_kwargs else ():
        if name in lacking:
            yield f"policy_kwargs.{name} has no effect with policy: {wanted.policy_name}; leave it out"
    yield from _text_faults(wanted)
    yield from _nan_faults(wanted)
    yield from _twice(wanted)
    if wanted.entry.has_replay:
        yield from _replay_faults(wanted)
    else:
        yield from _rollout_faults(wanted)


def _text_faults(wanted: Wanted) -> Iterator[str]:
    """Numbers that may be texts such as `auto`."""
    value = wanted.value("ent_coef")
    if isinstance(value, str) and value != "auto" and not _is_positive(value.removeprefix("auto_")):
        yield f"ent_coef must be auto, auto_ and its start value, or a number, not {value}"
    value = wanted.value("target_entropy")
    if isinstance(value, str) and value != "auto":
        yield f"target_entropy must be auto or a number, not {value}"


def _nan_faults(wanted: Wanted) -> Iterator[str]:
    """Numbers without a limit of their own that are NaN, which no argument allows."""
    inner = wanted.policy_kwargs.given if wanted.policy_kwargs else {}
    places = {name: value for name, value in wanted.arguments.items() if name not in LIMITS}
    places |= {f"policy_kwargs.{name}": value for name, value in inner.items() if name not in LIMITS}
    for place, value in places.items():
        if isinstance(value, float) and math.isnan(value):
            yield f"{place} must be a number, not nan"


def _twice(wanted: Wanted) -> Iterator[str]:
    """Values that two keys give."""
    given = wanted.arguments
    shares = [name for name in given if name.startswith("exploration_")]
    if getattr(wanted, "exploration", None) is not None and shares:
        yield f"exploration and {shares[0]} give the same value; give one of them"
    inner = wanted.policy_kwargs.given if wanted.policy_kwargs else {}
    if getattr(wanted, "n_quantiles", None) is not None and "n_quantiles" in inner:
        yield "n_quantiles and policy_kwargs.n_quantiles give the same value; give one of them"


def _rollout_faults(wanted: Wanted) -> Iterator[str]:
    n_top, n_delta = wanted.value("n_top"), wanted.value("n_delta")
    if n_top is not None and n_top > n_delta:
        yield f"n_top must not exceed n_delta = {n_delta}, not {n_top}"
    if wanted.by_episodes:
        return
    rollout, batch = wanted.rollout_steps, wanted.value("batch_size")
    if not wanted.value("normalize_advantage"):
        return
    if batch == 1 and wanted.algorithm != "TRPO":
        yield "batch_size must be above 1, since one advantage cannot be normalized (or normalize_advantage: false)"
    if wanted.algorithm in _NAN_OF_ONE and rollout > 1 and batch > 1 and rollout % batch == 1:
        yield (
            f"batch_size: {batch} leaves one advantage of n_envs * n_steps = {rollout} for the last batch, which "
            f"{wanted.algorithm} cannot normalize (or normalize_advantage: false)"
        )
    if rollout == 1:
        yield "n_envs * n_steps must be above 1, since one advantage cannot be normalized"


def _replay_faults(wanted: Wanted) -> Iterator[str]:
    frequency = wanted.value("train_freq")
    if not isinstance(frequency, int):
        if frequency[0] <= 0:
            yield f"train_freq must be above 0, not {frequency[0]}"
        if frequency[1] == "episode" and wanted.n_envs > 1:
            yield f"train_freq in episodes needs n_envs: 1, not {wanted.n_envs}"
    if wanted.entry.only_box and wanted.value("target_update_interval") == 0:
        yield f"target_update_interval must be above 0 for {wanted.algorithm}, not 0"
    inner = wanted.policy_kwargs.given if wanted.policy_kwargs else {}
    dropped, quantiles = wanted.value("top_quantiles_to_drop_per_net"), inner.get("n_quantiles", 25)
    if dropped is not None and dropped >= quantiles:
        yield f"top_quantiles_to_drop_per_net must be below n_quantiles = {quantiles}, not {dropped}"
    yield from _buffer_faults(wanted)


def _buffer_faults(wanted: Wanted) -> Iterator[str]:
    buffer, lean, steps = wanted.replay_buffer_class, wanted.value("optimize_memory_usage"), wanted.value("n_steps")
    more: Mapping[str, Any] = wanted.replay_buffer_kwargs or {}
    if buffer is not None and buffer not in BUFFERS:
        yield from class_path_faults("replay_buffer_class", buffer)
    else:
        yield from _kwargs_faults(more)
    for_dict = wanted.policy_name == "MultiInputPolicy"
    if buffer in _FOR_DICT and not for_dict:
        yield f"{buffer} needs policy: MultiInputPolicy"
    if steps > 1 and (buffer is not None or for_dict):
        why = f"replay_buffer_class: {buffer}" if buffer else "policy: MultiInputPolicy"
        yield f"n_steps above 1 has no effect with {why}; leave one of them out"
    if lean and (for_dict or steps > 1 or buffer not in (None, "ReplayBuffer")):
        yield "optimize_memory_usage works with the plain ReplayBuffer alone: no Dict observations, no n_steps above 1"
    elif lean and more.get("handle_timeout_termination", True):
        yield "optimize_memory_usage needs replay_buffer_kwargs: {handle_timeout_termination: false}"
    rows = max(2 if lean else 1, steps, int(more.get("n_steps", 1)) if isinstance(more.get("n_steps", 1), int) else 1)
    size = wanted.value("buffer_size")
    if wanted.n_envs <= _MOST_ENVS and 0 < size < rows * wanted.n_envs:
        yield f"buffer_size must be at least {rows * wanted.n_envs} with n_envs: {wanted.n_envs}, not {size}"


def _kwargs_faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Arguments that the library's replay buffers do not have, or of the wrong type."""
    known = replay_buffer_arguments()
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            yield f"replay_buffer_kwargs.{name}: unknown key{hint}"
        elif not _fits(known[name].types, value):
            yield f"replay_buffer_kwargs.{name} does not fit {' or '.join(sorted(known[name].types))}: {value!r}"


def _fits(words: frozenset[str], value: Any) -> bool:
    if "goal strategy" in words:
        return value in ("future", "final", "episode")
    if "boolean" in words:
        return isinstance(value, bool)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and value > 0 if "integer" in words else whole or isinstance(value, float)


def _is_positive(text: str) -> bool:
    try:
        return 0.0 < float(text) < float("inf")
    except ValueError:
        return False


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
