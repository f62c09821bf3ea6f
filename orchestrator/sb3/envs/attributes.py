"""The attributes of ordinary Python objects as a tree for a state file: of environments, wrappers and callbacks.

Numbers, arrays, generators, containers and objects made of them are captured, and shared objects stay shared. Code
(functions, classes, modules) is not state. Everything else is named as lost: nothing is left out silently. No pickle.
"""

from __future__ import annotations

import functools
import logging
import random
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch

PLAIN = (bool, int, float, str)
NOT_STATE: Mapping[str, frozenset[str]] = {
    "gymnasium.core.Env": frozenset({"spec"}),
    "gymnasium.core.Wrapper": frozenset({"spec", "_cached_spec", "_saved_kwargs"}),
    "gymnasium.wrappers.common.RecordEpisodeStatistics": frozenset({"episode_start_time", "time_queue"}),
    "stable_baselines3.common.vec_env.base_vec_env.VecEnvWrapper": frozenset({"class_attributes"}),
    "stable_baselines3.common.monitor.Monitor": frozenset({"t_start", "episode_times"}),
    "stable_baselines3.common.vec_env.dummy_vec_env.DummyVecEnv": frozenset({"buf_infos"}),
    "stable_baselines3.common.vec_env.vec_monitor.VecMonitor": frozenset({"t_start"}),
    "stable_baselines3.common.callbacks.BaseCallback": frozenset({"locals", "globals"}),
}
"""Attributes that hold structure or wall time, by class. The code builds the structure again."""

_CODE = (
    type,
    types.ModuleType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.GenericAlias,
    np.dtype,
    np.ufunc,
    torch.dtype,
    torch.device,
    logging.Logger,
    property,
)
_DRAWING = ("pygame.",)
"""Modules whose objects only draw or play; a fresh environment has its own."""


class Capture:
    """Turns objects into a tree.

    Args:
        outside: Objects that are captured elsewhere, by name; a reference to one is stored as its name.

    Attributes:
        lost: What cannot be captured: `place: reason`.
    """

    def __init__(self, outside: Mapping[str, Any]) -> None:
        self._outside = {id(value): name for name, value in outside.items()}
        self._held = dict(outside)
        self._seen: dict[int, tuple[int, Any]] = {}  # holds the objects too, so that no id is used again
        self.lost: list[str] = []

    def attributes(self, owner: Any, place: str) -> list[list[Any]]:
        """Name and value of each attribute of an object, in the order of their names."""
        found = sorted(attributes_of(owner), key=lambda pair: pair[0])
        return [[name, self.encode(value, f"{place}.{name}")] for name, value in found]

    def encode(self, value: Any, place: str) -> Any:
        """The tree of one value."""
        kind = type(value)
        if value is None or kind in PLAIN:
            return value
        if id(value) in self._outside:
            return {"is": "outside", "name": self._outside[id(value)]}
        if isinstance(value, Enum):
            return {"is": "enum", "class": class_name(kind), "name": value.name}
        if is_code(value):
            return {"is": "code", "name": code_name(value)}
        if isinstance(value, np.generic):
            return self._scalar(value, place)
        if kind is tuple or (isinstance(value, tuple) and hasattr(kind, "_fields")):
            return {"is": "tuple", "class": class_name(kind), "of": self._items(value, place)}
        if kind is bytes:
            return {"is": "bytes", "of": np.frombuffer(value, dtype=np.uint8)}
        if id(value) in self._seen:
            return {"is": "same", "as": self._seen[id(value)][0]}
        self._seen[id(value)] = (len(self._seen), value)
        return self._mutable(value, place)

    def _scalar(self, value: np.generic, place: str) -> Any:
        if value.dtype.hasobject:
            return self.lose(place, "a numpy object")
        return {"is": "scalar", "of": np.array(value)}

    def _mutable(self, value: Any, place: str) -> Any:
        kind = type(value)
        if kind is np.ndarray:
            return self._array(value, place)
        if isinstance(value, torch.Tensor):
            return self._tensor(value, place)
        if isinstance(value, np.random.Generator | np.random.RandomState | random.Random):
            return self._generator(value, place)
        if kind in _CONTAINERS:
            return self._container(value, place)
        if kind in (types.FunctionType, types.MethodType, functools.partial):
            return self._function(value, place)
        if kind.__module__.startswith(_DRAWING):
            return {"is": "fresh", "name": class_name(kind)}
        if not is_python_object(value):
            return self.lose(place, f"an object of {class_name(kind)}, which hides its state")
        return {"is": "object", "class": class_name(kind), "of": self.attributes(value, place)}

    def _array(self, value: np.ndarray, place: str) -> Any:
        if value.dtype.hasobject:
            return {"is": "objects", "shape": list(value.shape), "of": self._items(value.ravel().tolist(), place)}
        return {"is": "array", "of": value.copy()}

    def _function(self, value: Any, place: str) -> Any:
        if isinstance(value, functools.partial):
            return {"is": "partial", "of": self._items([value.func, value.args, value.keywords], place)}
        if isinstance(value, types.MethodType):
            return {"is": "method", "name": code_name(value), "of": self.encode(value.__self__, place)}
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return {"is": "function", "name": code_name(value), "cells": self._items(cells, f"{place} (a closure)")}

    def _tensor(self, value: torch.Tensor, place: str) -> Any:
        if value.layout is not torch.strided or value.is_quantized or value.dtype is torch.bfloat16:
            return self.lose(place, "a sparse, quantized or bfloat16 tensor")
        return {"is": "tensor", "of": value.detach().cpu().numpy().copy()}

    def _generator(self, value: Any, place: str) -> Any:
        if type(value) is random.Random:
            version, words, gauss = value.getstate()
            return {"is": "random", "version": version, "words": np.array(words, dtype=np.uint64), "gauss": gauss}
        if type(value) is np.random.RandomState:
            return {"is": "random_state", "of": _plain_state(value.get_state(legacy=False))}
        if type(value) is not np.random.Generator:
            return self.lose(place, f"a generator of {class_name(type(value))}")
        return {"is": "generator", "of": _plain_state(value.bit_generator.state)}

    def _container(self, value: Any, place: str) -> Any:
        kind = type(value)
        node: dict[str, Any] = {"is": kind.__name__}
        if kind in (dict, OrderedDict, defaultdict):
            node["of"] = [
                [self.encode(key, f"{place} (a key)"), self.encode(item, f"{place}[{key!r}]")]
                for key, item in list(value.items())
            ]
            return node
        if kind in (set, frozenset) and not _is_rebuilt_in_order(value):
            return self.lose(place, "the order of a set")
        if kind is bytearray:
            return {**node, "of": np.frombuffer(bytes(value), dtype=np.uint8)}
        return {**node, "of": self._items(value, place), **({"most": value.maxlen} if kind is deque else {})}

    def _items(self, values: Any, place: str) -> list[Any]:
        return [self.encode(item, f"{place}[{index}]") for index, item in enumerate(values)]

    def lose(self, place: str, reason: str) -> dict[str, Any]:
        """Record that a value cannot be captured."""
        self.lost.append(f"{place}: {reason}")
        return {"is": "lost"}


_CONTAINERS = (list, dict, OrderedDict, defaultdict, deque, set, frozenset, bytearray)


def _is_rebuilt_in_order(value: Any) -> bool:
    """Whether a set of the same members has the same order in every process."""
    return all(type(item) in (int, bool) for item in value) and list(set(value)) == list(value)


def is_code(value: Any) -> bool:
    """Whether a value is part of the program and never changes."""
    if isinstance(value, types.FunctionType):
        return value.__closure__ is None
    return isinstance(value, _CODE) and not (
        isinstance(value, types.BuiltinFunctionType) and not isinstance(value.__self__, types.ModuleType | type(None))
    )


def code_name(value: Any) -> str:
    """Module and name of a function, class or module; the class of anything else."""
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"{getattr(value, '__module__', None)}:{name}"
    return str(getattr(value, "__name__", class_name(type(value))))


def class_name(kind: type) -> str:
    """Module and qualified name of a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def attributes_of(owner: Any) -> Iterator[tuple[str, Any]]:
    """Attributes in the object's dict and slots, without those that are not state."""
    left_out: set[str] = set()
    for kind in type(owner).__mro__:
        left_out |= NOT_STATE.get(f"{kind.__module__}.{kind.__qualname__}", frozenset())
    for name, value in list(getattr(owner, "__dict__", {}).items()):
        if name not in left_out:
            yield name, value
    for name in _slots(type(owner)):
        if name not in left_out and hasattr(owner, name):
            yield name, getattr(owner, name)


def is_python_object(value: Any) -> bool:
    """Whether an object keeps its state in its dict and slots alone: no part of it is hidden in C."""
    kind = type(value)
    return kind.__basicsize__ <= _python_size(kind) and kind.__itemsize__ == 0


def _python_size(kind: type) -> int:
    """Size of an instance of a class that is written in Python and has the same slots."""
    extra = [name for name in ("__dict__", "__weakref__") if any(name in vars(one) for one in kind.__mro__)]
    slots = [f"slot_{number}" for number, _ in enumerate(_slots(kind))]
    return type("Same", (), {"__slots__": (*slots, *extra)}).__basicsize__


def _slots(kind: type) -> list[str]:
    return [
        name
        for one in kind.__mro__
        for name, member in vars(one).items()
        if isinstance(member, types.MemberDescriptorType)
    ]


def _plain_state(state: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            plain[str(name)] = _plain_state(value)
        elif isinstance(value, np.ndarray):
            plain[str(name)] = value.copy()
        else:
            plain[str(name)] = value.item() if isinstance(value, np.generic) else value
    return plain
