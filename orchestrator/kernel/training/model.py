"""Opens a model of stable-baselines3 in a session, if that library is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from orchestrator.kernel.outcome import SessionRefused

_LIBRARIES = ("stable_baselines3", "torch", "numpy", "gymnasium")


def open_model(run: Any, build: Callable[[], Any], **parts: Any) -> Any:
    """A `Learning` of `orchestrator.sb3.script`.

    Raises:
        SessionRefused: stable-baselines3 is not installed, or see `Learning`.
    """
    try:
        # By name, at the first use: this package runs with the standard library alone, and only a script that has a
        # model of stable-baselines3 needs the code for it.
        learning = importlib.import_module("orchestrator.sb3.script.learning")
    except ModuleNotFoundError as fault:
        if fault.name not in _LIBRARIES:
            raise
        raise SessionRefused(
            f"run.sb3 needs stable-baselines3, but {fault.name} is not installed",
            remedy="pip install stable-baselines3",
        ) from fault
    return learning.Learning(run, build, **parts)
