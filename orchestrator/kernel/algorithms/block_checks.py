"""Checks of an algorithm's block across several keys: what its constructor or its first update would refuse."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from orchestrator.kernel.algorithms.constructors import constructor_of, replay_buffer_arguments
from orchestrator.kernel.algorithms.policies import class_path_faults, network_faults
from orchestrator.kernel.algorithms.registry import Algorithm
from orchestrator.kernel.algorithms.schedule_words import rate_faults
from orchestrator.kernel.algorithms.wrapper_paths import wrapper_faults

BUFFERS = ("ReplayBuffer", "DictReplayBuffer", "NStepReplayBuffer", "HerReplayBuffer")
"""Replay buffers of the library that a card names without a path."""
_MOST_ENVS = 65_536
"""More environments are refused by their own limit."""
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
    if wanted.algorithm == "PPO" and rollout > 0 and batch > 0 and rollout % batch:
        yield f"batch_size must divide n_envs * n_steps = {rollout}, not {batch}"
    if not wanted.value("normalize_advantage"):
        return
    if batch == 1 and wanted.algorithm != "TRPO":
        yield "batch_size must be above 1, since one advantage cannot be normalized (or normalize_advantage: false)"
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
