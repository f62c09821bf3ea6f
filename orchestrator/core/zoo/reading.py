"""Reads an entry of an RL Zoo file; reports everything that it does not understand, each with its place.

Source: `ExperimentManager._preprocess_hyperparams` and the functions that it calls, in `rl_zoo3/exp_manager.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from orchestrator.core.zoo import values
from orchestrator.core.zoo.algorithms import NOISE, Algorithm
from orchestrator.core.zoo.arguments import read_argument, require_known
from orchestrator.core.zoo.combinations import refused_together
from orchestrator.core.zoo.entry import ClassCall, EntryFaults, Noise, Path, ZooEntry
from orchestrator.core.zoo.former import in_todays_form

_NORMALIZE = ("norm_obs", "norm_reward", "clip_obs", "clip_reward", "gamma", "epsilon", "norm_obs_keys", "training")
"""Arguments of stable-baselines3's `VecNormalize`."""

_MONITOR = ("allow_early_resets", "reset_keywords", "info_keywords", "override_existing")
"""Arguments of stable-baselines3's `Monitor`, without its file."""


def read_entry(plain: Mapping[str, Any], algorithm: Algorithm) -> ZooEntry:
    """Understand an entry.

    Args:
        plain: The entry as YAML values.
        algorithm: What trains.

    Raises:
        EntryFaults: Keys or values are not understood; all of them are listed.
    """
    plain, notes = in_todays_form(plain, algorithm)
    reading = _Reading(plain, algorithm)
    wanted = {
        "n_timesteps": reading.of("n_timesteps", values.count, None),
        "n_envs": reading.of("n_envs", values.count, 1),
        "policy": reading.of("policy", lambda value: _policy(value, algorithm), algorithm.policies[0]),
        "normalize": reading.of("normalize", _normalize, None),
        "frame_stack": reading.of("frame_stack", values.count, None),
        "env_wrapper": reading.of("env_wrapper", values.class_calls, ()),
        "vec_env_wrapper": reading.of("vec_env_wrapper", values.class_calls, ()),
        "env_kwargs": reading.of("env_kwargs", values.named, {}),
        "monitor_kwargs": reading.of("monitor_kwargs", _monitor, {}),
        "callbacks": reading.of("callback", values.class_calls, ()),
        "noise": reading.noise(),
        "arguments": reading.arguments(),
    }
    if not reading.faults:
        reading.faults.update(refused_together(wanted["n_envs"], wanted["arguments"]))
    if reading.faults:
        raise EntryFaults(reading.faults)
    if wanted["normalize"] is not None and "gamma" in wanted["arguments"]:
        wanted["normalize"] = {**wanted["normalize"], "gamma": wanted["arguments"]["gamma"]}
    return ZooEntry(algorithm=algorithm, notes=notes, **wanted)


_OF_ENVIRONMENT = (
    *("n_timesteps", "n_envs", "policy", "normalize", "frame_stack", "env_wrapper", "vec_env_wrapper"),
    *("env_kwargs", "monitor_kwargs", "callback"),
)
"""Keys of every entry, beside the arguments of its algorithm."""


class _Reading:
    """The keys of one entry, and the faults found in them."""

    def __init__(self, plain: Mapping[str, Any], algorithm: Algorithm) -> None:
        self._plain, self._algorithm = plain, algorithm
        self.faults: dict[Path, str] = {}

    def of(self, key: str, read: Callable[[Any], Any], without: Any) -> Any:
        """The value of a key."""
        if self._plain.get(key) is None:  # an empty key is as none, and some files have `env_wrapper:` with nothing
            return without
        try:
            return read(self._plain[key])
        except ValueError as fault:
            self.faults[(key,)] = str(fault)
            return without

    def noise(self) -> Noise | None:
        """Noise on the actions."""
        if self._plain.get("noise_type") is None or "noise_type" not in self._algorithm.arguments:
            if self._plain.get("noise_std") is not None and "noise_type" in self._algorithm.arguments:
                self.faults[("noise_std",)] = "it needs noise_type: normal or ornstein-uhlenbeck"
            return None
        kind = self.of("noise_type", values.noise_kind, "normal")
        if self._plain.get("noise_std") is None:
            self.faults[("noise_type",)] = "it needs noise_std, the standard deviation"
        sigma = self.of("noise_std", values.number, 0.0)
        return Noise(kind=kind, sigma=float(sigma))

    def arguments(self) -> dict[str, Any]:
        """All other arguments of the algorithm."""
        known = self._algorithm.arguments
        found: dict[str, Any] = {}
        for key in self._plain:
            if key in _OF_ENVIRONMENT or (key in known and key in NOISE):
                continue
            if key not in known:
                self.faults[(key,)] = _unknown(key, self._algorithm)
            else:
                found[key] = self.of(key, partial(self._argument, key), None)
        return found

    def _argument(self, key: str, value: Any) -> Any:
        policy = self._plain.get("policy")
        return read_argument(key, value, self._algorithm, policy=policy if isinstance(policy, str) else None)


def _policy(value: Any, algorithm: Algorithm) -> str | ClassCall:
    if isinstance(value, str) and "." in value:
        module, name = values.class_path(value)
        return ClassCall(module=module, name=name, arguments={})
    if value in algorithm.policies:
        return str(value)
    near = difflib.get_close_matches(str(value), algorithm.policies, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(algorithm.policies)}"
    raise ValueError(f"{algorithm.name} has no policy {value!r}; {hint}")


def _normalize(value: Any) -> dict[str, Any] | None:
    plain = values.plain_value(value)
    if isinstance(plain, bool):
        return {} if plain else None
    try:
        found = values.mapping(value)
    except ValueError as fault:
        raise ValueError(f"true, false or arguments of VecNormalize are needed: {fault}") from fault
    return _required(found, _NORMALIZE, "VecNormalize")


def _monitor(value: Any) -> dict[str, Any]:
    """Arguments of `Monitor`, which adds its lists of keywords as tuples."""
    found = _required(values.mapping(value), _MONITOR, "Monitor")
    return {name: tuple(one) if isinstance(one, list) else one for name, one in found.items()}


def _required(found: dict[str, Any], names: tuple[str, ...], whose: str) -> dict[str, Any]:
    require_known(found, names, whose)
    return found


def _unknown(key: str, algorithm: Algorithm) -> str:
    near = difflib.get_close_matches(key, [*_OF_ENVIRONMENT, *algorithm.arguments], n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    return f"{algorithm.name} has no argument of this name{hint}"
