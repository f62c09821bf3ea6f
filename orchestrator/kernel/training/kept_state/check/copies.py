"""Fresh copies of an environment, built as the training's own was; the training's own is never touched."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.kernel.training.kept_state.objects.attributes import empty_object
from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of

_PURE = ("gymnasium.wrappers", "stable_baselines3.common.atari_wrappers", "minigrid.wrappers")
"""Modules of wrappers that only compute: others might open a file of the training a second time."""
_DRAWING = "gymnasium.wrappers.rendering"
_MONITOR = "stable_baselines3.common.monitor:Monitor"
_FACTORIES: list[Callable[[], Any]] = []


class NoCopy(Exception):
    """Why an environment cannot be built a second time."""


def add_factory(make: Callable[[], Any]) -> None:
    """Use a function that builds a further environment; it may leave out the outer wrappers."""
    _FACTORIES.append(make)


def remove_factory(make: Callable[[], Any]) -> None:
    """Remove such a function."""
    if make in _FACTORIES:
        _FACTORIES.remove(make)


def layers_of(env: Any) -> Iterator[Any]:
    """An environment of gymnasium and what is inside it, outermost first."""
    yield env
    while is_wrapper(env):
        env = env.env
        yield env


def is_environment(value: Any) -> bool:
    """Whether it is an environment of gymnasium, wrapped or not."""
    return any(class_name(kind) == "gymnasium.core:Env" for kind in type(value).__mro__)


def is_wrapper(value: Any) -> bool:
    """Whether it is a wrapper of gymnasium."""
    return any(class_name(kind) == "gymnasium.core:Wrapper" for kind in type(value).__mro__)


def copy_of(env: Any) -> tuple[Any, list[str]]:
    """A fresh copy, and the classes of outer wrappers that it leaves out.

    Raises:
        NoCopy: It cannot be built.
    """
    *around, base = layers_of(env)
    made = _by_factory([*around, base])
    if made is not None:
        around = around[: len(around) + 1 - len(list(layers_of(made)))]
    else:
        made = _base(base)
    while around:
        outer = _rewrapped(around[-1], made)
        if outer is None:
            break
        made = outer
        around.pop()
    return made, [type(one).__name__ for one in around]


def _by_factory(layers: list[Any]) -> Any:
    """What the newest fitting factory builds, None without one."""
    kinds = [type(one) for one in layers]
    for make in reversed(_FACTORIES):
        made = make()
        found = [type(one) for one in layers_of(made)]
        if kinds[len(kinds) - len(found) :] == found:
            if any(mine is yours for mine in layers_of(made) for yours in layers):
                raise NoCopy("its factory returns the environment of the training, not another one")
            return made
    return None


def _base(base: Any) -> Any:
    spec, name = getattr(base, "spec", None), type(base).__name__
    if spec is not None:
        spec = copy.deepcopy(spec)
        if spec.kwargs.get("render_mode") == "human":
            spec.kwargs["render_mode"] = None
        made = importlib.import_module("gymnasium").make(spec).unwrapped
        if type(made) is not type(base):
            raise NoCopy(f"{spec.id} builds {type(made).__name__}, the training has {name}")
        return made
    own = vars(base)
    if "_ezpickle_args" in own:
        return type(base)(*copy.deepcopy(own["_ezpickle_args"]), **copy.deepcopy(own["_ezpickle_kwargs"]))
    raise NoCopy(f"{name} was not built by gymnasium.make; name a function that builds it: run.environment_factory")


def _rewrapped(wrapper: Any, inner: Any) -> Any:
    """The same wrapper around another environment, None if it cannot be built."""
    kind = type(wrapper)
    if class_name(kind) == _MONITOR:
        return kind(inner, None, True, wrapper.reset_keywords, wrapper.info_keywords)
    if module_of(kind).startswith(_DRAWING):
        return inner
    if not module_of(kind).startswith(_PURE):
        return None
    saved = getattr(wrapper, "_saved_kwargs", None)
    if saved is not None:
        return kind(inner, **{name: copy.deepcopy(value) for name, value in saved.items() if name != "env"})
    code = kind.__init__.__code__
    own = vars(wrapper)
    found = {}
    for name in code.co_varnames[2 : code.co_argcount]:
        stored = next((one for one in (name, f"_{name}") if one in own), None)
        if stored is not None:
            found[name] = copy.deepcopy(own[stored])
    try:
        made = kind(inner, **found)
    except TypeError:  # an argument that it does not store
        return None
    return made if made.env is inner else _bare(wrapper, inner)


def _bare(wrapper: Any, inner: Any) -> Any:
    """A wrapper that builds others inside itself, around what is there already; None if it has state of its own."""
    made = empty_object(type(wrapper))
    importlib.import_module("gymnasium").Wrapper.__init__(made, inner)
    return made if vars(made).keys() == vars(wrapper).keys() else None
