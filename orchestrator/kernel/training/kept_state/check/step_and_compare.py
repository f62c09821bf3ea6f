"""Step and compare: a fresh copy of an environment is stepped and restored into another one; both must then agree.

A state can look complete and be wrong, e.g. if a library hides a part of it. Only steps show that.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.kernel.training.kept_state.check.copies import NoCopy, copy_of, layers_of
from orchestrator.kernel.training.kept_state.check.differences import Captured, state_difference, value_difference
from orchestrator.kernel.training.kept_state.check.finding import Finding
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.random_state import capture_random, restore_random
from orchestrator.kernel.training.kept_state.rules.recording import recorder_of
from orchestrator.kernel.training.kept_state.watching import watch

BEFORE, IN_EPISODE, AFTER = 24, 8, 64
"""Steps before the newest reset, after it, and after the restore."""
BUDGET_S = 0.5
"""Seconds for the steps. When they are spent, the comparison ends early; slow environments are compared less."""
_SEED = 17


def check_environment(env: Any, monotonic: Callable[[], float], *, budget_s: float = BUDGET_S) -> Finding:
    """Compare two fresh copies of an environment; itself and the global random generators stay as they are.

    Args:
        env: An environment of gymnasium, with wrappers.
        monotonic: Clock in seconds.
        budget_s: Seconds for the steps.
    """
    name, made = type(list(layers_of(env))[-1]).__name__, []
    generators = capture_random()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one, left_out = copy_of(env)
            made.append(one)
            made.append(copy_of(env)[0])
            fault, replay_ms = _compared(one, made[1], monotonic, monotonic() + budget_s)
        unchecked = f"the wrappers {', '.join(left_out)} cannot be built a second time" if left_out else ""
        return Finding(name=name, fault=fault, unchecked=unchecked, replay_step_ms=replay_ms)
    except NoCopy as reason:
        return Finding(name=name, unchecked=str(reason))
    except Exception as fault:  # of the environment's own code: it could also stop the training itself
        return Finding(name=name, unchecked=f"a copy fails: {type(fault).__name__}: {fault}")
    finally:
        restore_random(generators)
        for copied in made:
            with contextlib.suppress(Exception):
                copied.close()


def _compared(one: Any, other: Any, monotonic: Callable[[], float], ends_s: float) -> tuple[str, float | None]:
    """What differs, and milliseconds of each step that a restore repeats."""
    watch([one])
    watch([other])
    actions = copy.deepcopy(one.action_space)
    actions.seed(_SEED)
    one.action_space.seed(_SEED)
    one.reset(seed=_SEED)
    for _ in _while(BEFORE, monotonic, ends_s):
        _step(one, actions.sample())
    one.reset()
    if fault := _rebuilt_space(one):
        return fault, None
    began_s = monotonic()
    count = sum(1 for _ in _while(IN_EPISODE, monotonic, ends_s) if _step(one, actions.sample()))
    replay_ms = None if recorder_of(list(layers_of(one))[-1]) is None else 1000 * (monotonic() - began_s) / count
    saved = Captured(one)
    if saved.lost:
        return saved.lost[0], None
    if path := state_difference(Captured(one), saved):
        return f"saving it changes {path}", None
    try:
        Decoder(saved.buffers).part(saved.node, 0, other)
    except (ValueError, LookupError, TypeError, RuntimeError, AttributeError) as fault:
        return f"it cannot be restored into a fresh copy: {type(fault).__name__}: {fault}", None
    if path := state_difference(Captured(other), saved):
        return f"{path} is not restored", replay_ms
    return _stepped(one, other, actions, _while(AFTER, monotonic, ends_s)), replay_ms


def _stepped(one: Any, other: Any, actions: Any, numbers: Iterator[int]) -> str:
    for number in numbers:
        action = actions.sample()
        results = [_step(env, copy.deepcopy(action), reset=number == AFTER // 2) for env in (one, other)]
        for what, first, second in zip(("observation", "reward", "end", "first observation"), *results, strict=True):
            if where := value_difference(first, second):
                return f"in step {number + 1} after a restore the {what} differs: {where}"
    path = state_difference(Captured(other), Captured(one))
    return f"after the same steps {path} differs" if path else ""


def _step(env: Any, action: Any, *, reset: bool = False) -> tuple[Any, Any, Any, Any]:
    """Observation, reward, both ends, and the first observation of the next episode if there is one."""
    seen, reward, ended, truncated, _ = env.step(action)
    begins = env.reset()[0] if ended or truncated or reset else None
    return seen, reward, (bool(ended), bool(truncated)), begins


def _while(count: int, monotonic: Callable[[], float], ends_s: float) -> Iterator[int]:
    """Numbers below a count, until the time is spent; at least two."""
    for number in range(count):
        if number >= 2 and monotonic() >= ends_s:
            return
        yield number


def _rebuilt_space(env: Any) -> str:
    if getattr(env.action_space, "_np_random", None) is not None:
        return ""
    return "it builds its action space again at each reset, with a random seed of the operating system"
