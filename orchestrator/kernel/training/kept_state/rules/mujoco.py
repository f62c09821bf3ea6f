"""MuJoCo: the data of a simulation, and what a training has changed in its model.

`mjSTATE_INTEGRATION` alone is not enough: environments of gymnasium read arrays that lag behind it (`xpos`, `xipos`),
and `mj_forward` would compute them again. So every array that is filled in fresh data is saved beside it. Arrays of the
arena (contacts, `efc_*`) are left out: each step computes them before it reads them.
"""

from __future__ import annotations

import hashlib
import importlib
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.kernel.training.kept_state.arrays import is_array
from orchestrator.kernel.training.kept_state.objects.program import class_name

_DATA, _MODEL = "mujoco._structs:MjData", "mujoco._structs:MjModel"
_OPTIONS = "opt."
_INITIAL: weakref.WeakKeyDictionary[Any, Mapping[str, Any]] = weakref.WeakKeyDictionary()
"""The numbers of a model before the training."""
_FILLED: weakref.WeakKeyDictionary[Any, tuple[str, ...]] = weakref.WeakKeyDictionary()


class MjDataRule:
    """The state of a simulation."""

    def claims(self, value: Any) -> bool:
        """Whether it is the data of a simulation."""
        return class_name(type(value)) == _DATA

    def save(self, value: Any) -> Any:
        """State vector, and every array that is filled in fresh data."""
        mujoco, model = importlib.import_module("mujoco"), value.model
        numpy, spec = importlib.import_module("numpy"), mujoco.mjtState.mjSTATE_INTEGRATION
        vector = numpy.zeros(mujoco.mj_stateSize(model, spec))
        mujoco.mj_getState(model, value, vector, spec)
        return {"vector": vector, "arrays": {name: getattr(value, name).copy() for name in _filled(mujoco, model)}}

    def load(self, value: Any, state: Any) -> None:
        """Set the state.

        Raises:
            ValueError: It is of another model.
        """
        mujoco, model = importlib.import_module("mujoco"), value.model
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        if mujoco.mj_stateSize(model, spec) != len(state["vector"]):
            raise ValueError("the checkpoint holds the simulation of another MuJoCo model")
        mujoco.mj_setState(model, value, state["vector"], spec)
        for name, array in state["arrays"].items():
            getattr(value, name)[...] = array


def _filled(mujoco: Any, model: Any) -> tuple[str, ...]:
    """Names of the arrays that are filled in fresh data and keep what is written to them."""
    if model not in _FILLED:
        data, found = mujoco.MjData(model), []
        for name, array in _arrays(data):
            if array.size:
                array[...] = 1
                found += [name] if (getattr(data, name) == 1).all() else []
        _FILLED[model] = tuple(found)
    return _FILLED[model]


class MjModelRule:
    """What a training has changed in a model, as domain randomization does; its names and meshes stay."""

    def claims(self, value: Any) -> bool:
        """Whether it is a model."""
        return class_name(type(value)) == _MODEL

    def watch(self, value: Any) -> None:
        """Note the model as it was built, so that only changes are saved."""
        if value not in _INITIAL:
            _INITIAL[value] = {name: _copied(part) for name, part in _parts(value)}

    def save(self, value: Any) -> Any:
        """The arrays and options that differ from those of the built model; all of them if that is not known."""
        initial = _INITIAL.get(value, {})
        changed = [(name, part) for name, part in _parts(value) if not _same(part, initial.get(name))]
        return {"initial": _digest(initial), "changed": {name: _copied(part) for name, part in changed}}

    def load(self, value: Any, state: Any) -> None:
        """Change the model in the same way.

        Raises:
            ValueError: It was built otherwise.
        """
        initial = _INITIAL.get(value, {})
        if _digest(initial) != state["initial"]:
            raise ValueError("the MuJoCo model was built with other numbers than the checkpoint's")
        for name, part in {**initial, **state["changed"]}.items():
            owner = value.opt if name.startswith(_OPTIONS) else value
            if is_array(part) and part.shape:
                getattr(owner, name.removeprefix(_OPTIONS))[...] = part
            else:
                setattr(owner, name.removeprefix(_OPTIONS), part)


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    yield from _arrays(model)
    for name, part in _arrays(model.opt):
        yield _OPTIONS + name, part
    for name in dir(model.opt):
        if not name.startswith("_") and isinstance(getattr(model.opt, name), int | float):
            yield _OPTIONS + name, getattr(model.opt, name)


def _arrays(owner: Any) -> Iterator[tuple[str, Any]]:
    """Name and array of each attribute that is one and can be written."""
    for name in dir(owner):
        found = None if name.startswith("_") else getattr(owner, name)
        if is_array(found) and getattr(getattr(found, "flags", None), "writeable", False):
            yield name, found


def _digest(parts: Mapping[str, Any]) -> str:
    found = hashlib.sha256()
    for name, part in parts.items():
        found.update(name.encode() + _bytes(part))
    return found.hexdigest()


def _same(part: Any, other: Any) -> bool:
    return type(part) is type(other) and _bytes(part) == _bytes(other)


def _bytes(part: Any) -> bytes:
    return bytes(part.tobytes()) if is_array(part) else repr(part).encode()


def _copied(part: Any) -> Any:
    return part.copy() if is_array(part) else part
