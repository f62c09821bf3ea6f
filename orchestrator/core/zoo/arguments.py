"""Reads an argument of an algorithm's constructor, as an RL Zoo entry gives it.

Each function raises ValueError with a sentence that names what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from orchestrator.core.zoo import values
from orchestrator.core.zoo.algorithms import Algorithm
from orchestrator.core.zoo.classes import ClassName
from orchestrator.core.zoo.entry import ClassCall
from orchestrator.kernel.algorithms.registry import replay_buffer_arguments


def read_argument(key: str, value: Any, algorithm: Algorithm, *, policy: str | None = None) -> Any:
    """The value of an argument.

    Args:
        key: Its name, one of the constructor's.
        value: As YAML, or as a text of Python.
        algorithm: Whose argument it is.
        policy: The entry's policy; None for the algorithm's first one. The arguments of a class of the user, given by
            its path, are not known and not checked.

    Raises:
        ValueError: It is not understood.
    """
    types = algorithm.constructor.arguments[key].types
    if value is None:
        return None
    if "schedule" in types:
        return values.schedule(value)
    if "mapping" in types:
        return _inner(key, value, algorithm, policy=policy or algorithm.policies[0])
    if "class" in types:
        return _class(value)
    if "frequency" in types:
        return values.train_freq(value)
    if types == {"boolean"}:
        return values.switch(value)
    plain = values.plain_value(value)
    if "text" in types and isinstance(plain, str) and plain.startswith("auto"):
        return values.learned(plain, starts=key == "ent_coef")
    return _counted(values.number(value), whole="integer" in types and "number" not in types)


def _counted(found: int | float, *, whole: bool) -> int | float:
    if not whole:
        return found
    if found != int(found):
        raise ValueError(f"a whole number is needed, not {found!r}")
    return int(found)


def _inner(key: str, value: Any, algorithm: Algorithm, *, policy: str) -> dict[str, Any]:
    found = values.mapping(value)
    if key == "policy_kwargs":
        if policy in algorithm.policies:
            lacking = algorithm.constructor.policies[policy]
            names = [name for name in algorithm.constructor.policy_kwargs if name not in lacking]
            require_known(found, names, f"{algorithm.name}'s {policy}")
        return _with_layers_of_today(found)
    if key == "replay_buffer_kwargs":
        require_known(found, replay_buffer_arguments(), "the replay buffers")
    return found


def _with_layers_of_today(arguments: dict[str, Any]) -> dict[str, Any]:
    """`net_arch=[dict(pi=..., vf=...)]` without its list, which stable-baselines3 dropped in 1.8.0."""
    layers = arguments.get("net_arch")
    if not (isinstance(layers, list) and any(isinstance(one, dict) for one in layers)):
        return arguments
    if len(layers) > 1:
        raise ValueError(
            "net_arch has layers that policy and value function share, which stable-baselines3 has no longer; "
            "write dict(pi=[...], vf=[...])"
        )
    return {**arguments, "net_arch": layers[0]}


def _class(value: Any) -> ClassName | ClassCall:
    try:
        return values.known_class(value)
    except ValueError:
        module, name = values.class_path(value)  # a class of the user
        return ClassCall(module=module, name=name, arguments={})


def require_known(found: Iterable[str], names: Iterable[str], whose: str) -> None:
    """Refuse names of arguments that nothing takes.

    Raises:
        ValueError: One is unknown; the message has the nearest one.
    """
    known = list(names)
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"{name} is no argument of {whose}; {hint}")
