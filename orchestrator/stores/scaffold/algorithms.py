"""The algorithms and environments that a new project can name, without importing their libraries."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from orchestrator.core.errors import BadInput
from orchestrator.kernel.algorithms.registry import REGISTRY, constructor_of

_MASKED = "MaskablePPO"
"""Needs an environment that says which actions are allowed, so a line of its own in a script."""

LIBRARIES: Mapping[str, str] = {name: one.library for name, one in sorted(REGISTRY.items()) if name != _MASKED}
"""Algorithm -> library that has it."""

_ACTIONS: Mapping[str, str] = {
    **dict.fromkeys(("DQN", "QRDQN"), "discrete"),
    **{name: "continuous" for name, one in REGISTRY.items() if one.only_box},
}
"""Algorithm -> the only actions that it takes; the others take both."""

_ACTIONS_OF: Mapping[str, str] = {
    **dict.fromkeys(("CartPole", "Acrobot", "LunarLander", "Blackjack", "CliffWalking"), "discrete"),
    **dict.fromkeys(("FrozenLake", "FrozenLake8x8", "Taxi", "ALE"), "discrete"),
    **dict.fromkeys(("Pendulum", "BipedalWalker", "BipedalWalkerHardcore"), "continuous"),
    **dict.fromkeys(("Ant", "HalfCheetah", "Hopper", "Humanoid", "Reacher", "Walker2d"), "continuous"),
}
"""Name of an environment of gymnasium, without its version -> its actions. Others are not checked here."""

# Source: gymnasium.envs.registration.ENV_ID_RE, and `module:` before an id as `gymnasium.make` takes it.
_ENV = re.compile(r"(?:(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):)?(?:[\w-]+/)?[\w.-]+?(?:-v\d+)?", re.ASCII)


def known_algorithm(given: str) -> str:
    """The algorithm that the user means; upper and lower case and hyphens do not matter.

    Raises:
        BadInput: There is no such algorithm.
    """
    name, known = given.replace("-", "").replace("_", "").upper(), {one.upper(): one for one in LIBRARIES}
    if name in known:
        return known[name]
    if name == _MASKED.upper():
        raise BadInput(
            f"{_MASKED} needs an environment that masks its actions",
            remedy="Write the script that wraps it in ActionMasker, and give it as --script.",
        )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {known[near[0]]}?" if near else f"Known: {', '.join(LIBRARIES)}."
    raise BadInput(f"there is no algorithm {given!r}", remedy=f"{hint} For any other one, give your own --script.")


def policies_of(algorithm: str) -> list[str]:
    """Names of an algorithm's policies; the first is for vectors, then, if it has them, for images and dictionaries."""
    return list(constructor_of(algorithm).policies)


def default_environment(algorithm: str) -> str:
    """A small environment that an algorithm can learn."""
    return "Pendulum-v1" if _ACTIONS.get(algorithm) == "continuous" else "CartPole-v1"


def require_fitting_actions(algorithm: str, env: str, actions: str = "", *, remedy: str = "") -> None:
    """Refuse an environment of gymnasium whose actions an algorithm cannot take.

    Args:
        actions: `discrete` or `continuous`, if gymnasium has built the environment; else known ids are looked up.
        remedy: What to do otherwise; empty for the hint of `init --env`.

    Raises:
        BadInput: They do not fit.
    """
    needed, has = _ACTIONS.get(algorithm), actions or _ACTIONS_OF.get(re.split(r"-v\d|/", env)[0])
    if needed and has and needed != has:
        other = default_environment(algorithm)
        raise BadInput(
            f"{algorithm} takes {needed} actions only, and those of {env} are {has}",
            remedy=remedy or f"Give --algorithm PPO, which takes both, or an environment such as {other}.",
        )


def steps_of(algorithm: str) -> tuple[int, int]:
    """Targets of quick and full: some seconds to two minutes, and some minutes to an hour, on one core."""
    return (5_000, 100_000) if _ACTIONS.get(algorithm) == "continuous" else (20_000, 200_000)


def module_of_environment(env: str) -> str:
    """Module that registers an environment, from an id such as `my_envs:Grid-v0`; empty without one.

    Raises:
        BadInput: It is no id of an environment.
    """
    found = _ENV.fullmatch(env)
    if found is None:
        raise BadInput(f"{env!r} is no id of a gymnasium environment", remedy="Give an id such as CartPole-v1.")
    return found["module"] or ""
