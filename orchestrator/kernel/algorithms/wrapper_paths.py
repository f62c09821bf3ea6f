"""The keys `env_wrapper` and `vec_env_wrapper`: classes around an environment, by their path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.kernel.algorithms.policies import class_path_faults

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
