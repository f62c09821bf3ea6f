"""The number of an on-policy training's iteration, continued over sessions.

`learn` counts iterations from 0, and logs at multiples of `log_interval`. In a training that is cut, the same
iterations must be logged as in one that is not, under the same numbers.
"""

from __future__ import annotations

import inspect
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


class Iterations:
    """Counts the iterations of `learn`.

    Attributes:
        before: Iterations of this call of `learn` in earlier sessions.
        done: Iterations of this call, with those before.
    """

    def __init__(self) -> None:
        self.before = self.done = 0
        self._every: Any = 1

    def begins(self, every: Any) -> Any:
        """A call of `learn` begins; returns the interval to give to it."""
        self._every, self.done = every, self.before
        return every if every is None else 1

    def reached(self, iteration: int) -> bool:
        """Iteration `iteration` of this call is complete; returns whether it is logged."""
        self.done = self.before + iteration
        return bool(self.done % self._every == 0)

    def ended(self, *, finished: bool) -> None:
        """`learn` returns: the next call counts from 0, unless only a higher target continues the training."""
        self.before, self.done = 0, self.done if finished else 0


def continue_iterations(model: BaseAlgorithm) -> Iterations:
    """Make a model count its iterations across sessions; the others count episodes, which are part of the state.

    The model gets a subclass of its own class with the same name, since functions as attributes would be saved with
    it.
    """
    iterations = Iterations()
    if isinstance(model, OnPolicyAlgorithm):
        model.__class__ = _counting(type(model), iterations)
    return iterations


def _counting(kind: type[OnPolicyAlgorithm], iterations: Iterations) -> type[OnPolicyAlgorithm]:
    class Counting(kind):  # type: ignore[valid-type, misc]  # the class is known at run time only
        def learn(self, *positional: Any, **named: Any) -> Any:
            given = inspect.signature(super().learn).bind(*positional, **named)
            given.apply_defaults()
            if "log_interval" in given.arguments:
                given.arguments["log_interval"] = iterations.begins(given.arguments["log_interval"])
            return super().learn(*given.args, **given.kwargs)

        def dump_logs(self, iteration: int = 0) -> None:
            if iteration == 0:  # asked for by a callback
                super().dump_logs()
            elif iterations.reached(iteration):
                super().dump_logs(iterations.done)

        def __reduce_ex__(self, protocol: Any) -> Any:
            function, arguments, *rest = super().__reduce_ex__(protocol)
            return (function, tuple(kind if one is Counting else one for one in arguments), *rest)

    Counting.__name__, Counting.__qualname__, Counting.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    Counting.__doc__ = kind.__doc__
    return Counting
