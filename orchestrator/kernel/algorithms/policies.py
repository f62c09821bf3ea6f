"""Arguments of a policy (`policy_kwargs`) and classes around an environment (`env_wrapper`), in the words of RL Zoo."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from orchestrator.kernel.algorithms.plans import Block
from orchestrator.kernel.algorithms.registry import Learns

ACTIVATIONS: Mapping[str, str] = {
    "relu": "ReLU",
    "tanh": "Tanh",
    "elu": "ELU",
    "leaky_relu": "LeakyReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "selu": "SELU",
    "celu": "CELU",
    "mish": "Mish",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "hardswish": "Hardswish",
    "hardtanh": "Hardtanh",
    "relu6": "ReLU6",
    "identity": "Identity",
}
"""Word in a card -> class of `torch.nn`."""

ActivationName = Literal[
    "relu", "tanh", "elu", "leaky_relu", "gelu", "silu", "selu", "celu", "mish", "sigmoid", "softplus", "softsign",
    "hardswish", "hardtanh", "relu6", "identity",
]  # fmt: skip

OPTIMIZERS: Mapping[str, str] = {
    "adam": "torch.optim.Adam",
    "adamw": "torch.optim.AdamW",
    "rmsprop": "torch.optim.RMSprop",
    "sgd": "torch.optim.SGD",
    "rmsprop_tf_like": "stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike",
}
"""Word in a card -> path of the class; any other class is given by its path."""

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_NETWORKS: Mapping[Learns, frozenset[str]] = {
    Learns.ROLLOUTS: frozenset({"pi", "vf"}),
    Learns.REPLAY: frozenset({"pi", "qf"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKwargs(Block):
    """Arguments of a policy; those that are left out have the library's defaults."""

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that the card gives."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        yield from Block.faults(self)
        given = self.given
        for name in ("features_extractor_class", "optimizer_class"):
            if name in given and given[name] not in OPTIMIZERS:
                yield from class_path_faults(name, given[name])
        net_arch = given.get("net_arch", ())
        for sizes in net_arch.values() if isinstance(net_arch, Mapping) else (net_arch,):
            if any(units <= 0 for units in sizes):
                yield f"net_arch: each layer needs at least one unit, not {list(sizes)}"
        if given.get("shared_lstm") and given.get("enable_critic_lstm", True):
            yield "shared_lstm: true needs enable_critic_lstm: false"


def network_faults(policy: PolicyKwargs | None, learns: Learns) -> Iterator[str]:
    """Networks in `net_arch` that a policy does not have."""
    net_arch = policy.given.get("net_arch") if policy else None
    if isinstance(net_arch, Mapping):
        known = _NETWORKS[learns]
        if set(net_arch) != known:
            need = " and ".join(sorted(known))
            yield f"policy_kwargs.net_arch needs {need}, not {', '.join(sorted(net_arch)) or 'an empty mapping'}"


def class_path_faults(name: str, path: Any) -> Iterator[str]:
    """Why a text is no path of a class, one sentence."""
    if not isinstance(path, str) or not _CLASS_PATH.fullmatch(path):
        yield f"{name} must be the path of a class, such as package.module.Class, not {path!r}"


ByPath = Mapping[str, Mapping[str, Any] | None]
Wrappers = str | tuple[str | ByPath, ...] | ByPath
"""A path; or {path: arguments}; or a list of such, the innermost first."""


def wrapper_list(wrappers: Wrappers | None) -> list[tuple[str, dict[str, Any]]]:
    """Path and arguments of each wrapper, the innermost first."""
    if wrappers is None:
        return []
    if isinstance(wrappers, str):
        return [(wrappers, {})]
    if isinstance(wrappers, Mapping):
        return [(path, dict(arguments or {})) for path, arguments in wrappers.items()]
    return [pair for one in wrappers for pair in wrapper_list(one)]


def wrapper_faults(name: str, wrappers: Wrappers | None) -> Iterator[str]:
    """Paths that name no class, one sentence each."""
    for path, _ in wrapper_list(wrappers):
        yield from class_path_faults(name, path)
