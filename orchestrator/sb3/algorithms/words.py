"""Words of a card as the objects that a constructor takes: classes, noise, schedules."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common import buffers
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her import HerReplayBuffer
from torch import nn

from orchestrator.kernel.algorithms.block_checks import BUFFERS
from orchestrator.kernel.algorithms.hyperparameters import HyperParameters
from orchestrator.kernel.algorithms.plans import LinearPlan, NoisePlan
from orchestrator.kernel.algorithms.policies import ACTIVATIONS, OPTIMIZERS
from orchestrator.kernel.algorithms.registry import REGISTRY, constructor_of, versions
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.action_noise import build_noise
from orchestrator.sb3.algorithms.schedules import as_schedule, fraction_of


def constructor_arguments(
    wanted: HyperParameters, network: tuple[int, ...], env: VecEnv, *, horizon_steps: int, target_steps: int | None
) -> dict[str, Any]:
    """The arguments of an algorithm's constructor.

    Args:
        wanted: The card's block.
        network: The card's layers, for a policy without its own.
        env: With its layers.
        horizon_steps: Step at which every schedule has ended.
        target_steps: Of the whole training.

    Raises:
        SessionRefused: A class cannot be imported.
    """
    found: dict[str, Any] = {}
    for name, argument in constructor_of(wanted.algorithm).arguments.items():
        value = getattr(wanted, name, None)
        if value is None and "schedule" in argument.types:
            value = argument.default
        if value is None:
            continue
        if "schedule" in argument.types:
            value = as_schedule(value, horizon_steps, target_steps)
        elif isinstance(value, NoisePlan):
            (n_actions,) = env.action_space.shape or (1,)
            value = build_noise(value, n_envs=wanted.n_envs, n_actions=n_actions)
        elif "class" in argument.types:
            value = _buffer_class(value) if name == "replay_buffer_class" else class_at(value, name)
        found[name] = dict(value) if isinstance(value, Mapping) else value
    found |= _exploration(wanted, horizon_steps, target_steps)
    return {**found, "policy_kwargs": policy_arguments(wanted, network)}


def _exploration(wanted: HyperParameters, horizon_steps: int, target_steps: int | None) -> dict[str, Any]:
    """The library's three values of the exploration, measured against the horizon."""
    if "exploration_fraction" not in constructor_of(wanted.algorithm).arguments:
        return {}
    plan = wanted.exploration
    if isinstance(plan, LinearPlan):
        start, end, fraction = plan.start, plan.end, fraction_of(plan, horizon_steps)
    else:
        start, end = (wanted.value(f"exploration_{name}_eps") for name in ("initial", "final"))
        fraction = wanted.value("exploration_fraction") * ((target_steps or horizon_steps) / horizon_steps)
    return {"exploration_initial_eps": start, "exploration_final_eps": end, "exploration_fraction": fraction}


def policy_arguments(wanted: HyperParameters, network: tuple[int, ...]) -> dict[str, Any]:
    """The arguments of the policy, with the card's layers and `n_quantiles` where it does not give its own."""
    known = constructor_of(wanted.algorithm).policy_kwargs
    lacking = constructor_of(wanted.algorithm).policies[wanted.policy_name]
    found: dict[str, Any] = {"net_arch": list(network)} if network and "net_arch" not in lacking else {}
    quantiles = getattr(wanted, "n_quantiles", None)
    if quantiles is not None:
        found["n_quantiles"] = quantiles
    given = wanted.policy_kwargs.given if wanted.policy_kwargs else {}
    for name, value in given.items():
        if name == "activation_fn":
            found[name] = getattr(nn, ACTIVATIONS[value])
        elif "class" in known[name].types:
            found[name] = class_at(OPTIMIZERS.get(value, value), f"policy_kwargs.{name}")
        elif name == "net_arch":
            found[name] = _lists(value)
        else:
            found[name] = dict(value) if isinstance(value, Mapping) else value
    return found


def _lists(layers: Any) -> Any:
    return {name: list(one) for name, one in layers.items()} if isinstance(layers, Mapping) else list(layers)


def _buffer_class(name: str) -> type[Any]:
    if name in BUFFERS:
        kind: type[Any] = HerReplayBuffer if name == "HerReplayBuffer" else getattr(buffers, name)
        return kind
    return class_at(name, "replay_buffer_class")


def class_at(path: str, key: str) -> type[Any]:
    """The class with a path.

    Raises:
        SessionRefused: It cannot be imported, or is no class.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as fault:
        raise SessionRefused(
            f"{key}: {path} cannot be imported: {fault}",
            remedy="Import the class in the section's own code too: only what that code imports travels to a session.",
        ) from fault
    if not callable(found):
        raise SessionRefused(f"{key}: {path} is a {type(found).__name__}, no class")
    kind: type[Any] = found
    return kind


def require_known(kind: type[Any], algorithm: str, given: Mapping[str, Any]) -> None:
    """Check arguments against the constructor of the installed library, whose version may be another one.

    Raises:
        SessionRefused: The constructor does not have one of them.
    """
    known = inspect.signature(kind.__init__).parameters
    unknown = [name for name in given if name not in known]
    if unknown:
        library = REGISTRY[algorithm].library
        raise SessionRefused(
            f"the installed {library} has no argument {', '.join(unknown)} of {algorithm}; the card was checked against"
            f" version {versions()[library]}",
            remedy=f"Update {library} in the session, or leave the key out.",
        )


def recorded_defaults(kind: type[Any], algorithm: str) -> dict[str, Any]:
    """Defaults of the described version that the installed library has changed: a card means the same in both."""
    installed = inspect.signature(kind.__init__).parameters
    return {
        name: argument.default
        for name, argument in constructor_of(algorithm).arguments.items()
        if name in installed and argument.default is not None and installed[name].default != argument.default
    }
