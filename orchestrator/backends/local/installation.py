"""Versions of the training libraries on this computer, read without importing them."""

from __future__ import annotations

import importlib.metadata
import platform

LIBRARIES = {
    "numpy": "numpy",
    "numba": "numba",
    "torch": "torch",
    "stable_baselines3": "stable-baselines3",
    "sb3_contrib": "sb3-contrib",
    "gymnasium": "gymnasium",
}
"""Import name -> distribution name."""


def installed_versions() -> dict[str, str]:
    """Version of Python and of each library that is installed, by import name."""
    versions = {"python": platform.python_version()}
    for name, distribution in LIBRARIES.items():
        try:
            # The local part of a version ("+cpu") names a build; checkpoints are compared without it.
            versions[name] = importlib.metadata.version(distribution).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
