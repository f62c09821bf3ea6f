"""Box2D: its world cannot be read, so the newest episode is repeated.

A world that lives on over resets remembers earlier episodes, e.g. in the order of its contacts. So the environments of
gymnasium get a new world for each episode, from the first one on.
"""

from __future__ import annotations

from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of

_WORLD = "Box2D.Box2D:b2World"
_OF_GYMNASIUM = "gymnasium.envs.box2d."


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
        """Give an environment of gymnasium a new world, with the gravity and the listener that it was built with."""
        if any(module_of(kind).startswith(_OF_GYMNASIUM) for kind in type(env).__mro__):
            env._destroy()
            env.world = type(env.world)(
                gravity=env.world.gravity, contactListener=getattr(env, "contactListener_keepref", None)
            )
