"""Box2D: its world cannot be read, so the newest episode is repeated.

A world that lives on over resets remembers earlier episodes, e.g. in the order of its contacts. Then each episode gets
a new world, from the first one on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of

_WORLD = "Box2D.Box2D:b2World"
_NEW_WORLD: Mapping[str, Callable[[Any], Any]] = {
    "gymnasium.envs.box2d.bipedal_walker:BipedalWalker": lambda env: type(env.world)(),
    "gymnasium.envs.box2d.car_racing:CarRacing": lambda env: type(env.world)(
        (0, 0), contactListener=env.contactListener_keepref
    ),
}
"""Environments that keep one world over resets, and how they build it."""


class Box2dRule:
    """Environments with a world of Box2D."""

    replays = True

    def claims(self, value: Any) -> bool:
        """Whether an object has a world and can be reset."""
        if module_of(type(value)).partition(".")[0] == "Box2D" or not callable(getattr(type(value), "reset", None)):
            return False
        own = getattr(value, "__dict__", None)
        return isinstance(own, dict) and any(class_name(type(one)) == _WORLD for one in list(own.values()))

    def before_reset(self, env: Any) -> None:
        """Give an environment that keeps its world a new one."""
        build = next((_NEW_WORLD[name] for name in map(class_name, type(env).__mro__) if name in _NEW_WORLD), None)
        if build is not None:
            env._destroy()
            env.world = build(env)
