"""A safe boundary for ARS, which draws its perturbed policies before the point at which a callback can save."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback


class _StartedBefore:
    """A callback whose rollout has already started."""

    def __init__(self, callback: BaseCallback) -> None:
        self._callback = callback

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callback, name)

    def on_rollout_start(self) -> None:
        """Do nothing: the callback was called before the perturbations were drawn."""


def give_boundary(model: BaseAlgorithm) -> None:
    """Give a script's ARS model its safe boundary; other models are not changed."""
    kind = type(model)
    if kind.__name__ == "ARS" and kind.__module__.startswith("sb3_contrib."):
        model.__class__ = with_boundary(kind)


@lru_cache(maxsize=8)
def with_boundary(kind: type[Any]) -> type[Any]:
    """ARS with `on_rollout_start` before the perturbations are drawn; under the same name, which describes the model.

    A class with a mixin as a second base could not replace the class of an object.
    """

    def update(model: Any, callback: BaseCallback, async_eval: Any) -> None:
        callback.on_rollout_start()
        kind._do_one_update(model, _StartedBefore(callback), async_eval)

    def progress(model: Any, num_timesteps: int, total_timesteps: int) -> None:
        # `learn` passes the steps of this call, which in a resumed training are not those of the whole.
        kind._update_current_progress_remaining(model, num_timesteps, model._total_timesteps)

    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    methods = {"_do_one_update": update, "_update_current_progress_remaining": progress}
    return type(kind.__name__, (kind,), {**names, **methods})
