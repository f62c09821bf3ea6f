"""Versions of the libraries that a training's numbers depend on."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from functools import cache

_LIBRARIES = ("numpy", "numba", "torch", "stable_baselines3", "sb3_contrib", "gymnasium")


@cache
def library_versions() -> Mapping[str, str]:
    """Name -> version of Python and of each of the libraries that is installed.

    Without the build's local part ("+cpu"): the package metadata that the orchestrator compares before a session may
    lack it. The device class is compared separately.
    """
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name.replace("_", "-")).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue  # nothing depends on it
    return versions
