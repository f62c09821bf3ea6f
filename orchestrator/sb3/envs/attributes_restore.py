"""Restores the tree of `attributes` into freshly built objects, in place where the same object is there."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch

from orchestrator.sb3.envs.attributes import attributes_of, class_name, code_name, is_python_object


class Restore:
    """Restores trees that one `Capture` made, in the same order.

    Args:
        outside: The objects that are captured elsewhere, by name.
        lenient: Keep the fresh object where one could not be captured.
    """

    def __init__(self, outside: Mapping[str, Any], *, lenient: bool = False) -> None:
        self._outside = dict(outside)
        self._lenient = lenient
        self._made: list[Any] = []
        self._filled: set[int] = set()

    def attributes(self, owner: Any, tree: list[list[Any]]) -> None:
        """Set the attributes of an object; attributes that the tree lacks are removed.

        Raises:
            ValueError: The tree does not fit the object.
        """
        now = dict(attributes_of(owner))
        for name in now.keys() - {name for name, _ in tree}:
            object.__delattr__(owner, name)
        for name, node in tree:
            value = self.decode(node, now.get(name))
            if name not in now or now[name] is not value:
                _set(owner, name, value)

    def decode(self, node: Any, current: Any) -> Any:
        """The value of a tree.

        Args:
            node: The tree.
            current: The value at this place of the fresh object.

        Raises:
            ValueError: The tree does not fit.
        """
        if not isinstance(node, dict):
            return node
        kind = node["is"]
        if kind in _SIMPLE:
            return self._simple(node, current)
        number = len(self._made)
        self._made.append(None)
        if kind == "lost" and not self._lenient:
            raise ValueError("it holds a value that could not be captured")
        if kind in ("fresh", "lost"):
            self._made[number] = current
            return current
        return self._mutable(node, self._unused(current), number)

    def _simple(self, node: Any, current: Any) -> Any:
        kind = node["is"]
        if kind == "same":
            return self._made[node["as"]]
        if kind == "outside":
            return self._outside[node["name"]]
        if kind in ("scalar", "bytes"):
            return node["of"][()] if kind == "scalar" else node["of"].tobytes()
        if kind == "enum":
            return _class_of(node["class"], current)[node["name"]]
        return self._tuple(node, current) if kind == "tuple" else current

    def _tuple(self, node: Any, current: Any) -> Any:
        olds = current if isinstance(current, tuple) else ()
        items = [self.decode(item, olds[index] if index < len(olds) else None) for index, item in enumerate(node["of"])]
        if node["class"] == "builtins:tuple":
            return tuple(items)
        return _class_of(node["class"], current)._make(items)

    def _mutable(self, node: Any, current: Any, number: int) -> Any:
        kind, made = node["is"], cast(Any, None)
        if kind in _CONTAINERS:
            return self._container(node, current, number)
        if kind == "objects":
            items = [self.decode(item, None) for item in node["of"]]
            made = np.empty(len(items), dtype=object)
            made[:] = items
            made = made.reshape(node["shape"])
        elif kind == "array":
            made = _array(node["of"], current)
        elif kind == "tensor":
            made = _tensor(node["of"], current)
        elif kind in ("random", "random_state", "generator"):
            made = _generator(node, current)
        elif kind == "partial":
            if not isinstance(current, functools.partial):
                raise ValueError("a partial function is missing")
            function, arguments, keywords = node["of"]
            made = functools.partial(
                self.decode(function, current.func),
                *self.decode(arguments, current.args),
                **self.decode(keywords, current.keywords),
            )
        else:
            return self._object(node, current, number)
        self._made[number] = made
        return made

    def _object(self, node: Any, current: Any, number: int) -> Any:
        kind = node["is"]
        if kind == "function":
            if not isinstance(current, types.FunctionType) or code_name(current) != node["name"]:
                raise ValueError(f"the function {node['name']} is missing")
            self._made[number] = current
            for cell, inner in zip(current.__closure__ or (), node["cells"], strict=True):
                cell.cell_contents = self.decode(inner, cell.cell_contents)
            return current
        if kind == "method":
            owner = self.decode(node["of"], getattr(current, "__self__", None))
            self._made[number] = made = getattr(owner, node["name"].rpartition(".")[2])
            return made
        made_class = _class_of(node["class"], current)
        if type(current) is not made_class:
            current = object.__new__(made_class)
            if not is_python_object(current):
                raise ValueError(f"an object of {node['class']} cannot be built")
        self._made[number] = current
        self.attributes(current, node["of"])
        return current

    def _container(self, node: Any, current: Any, number: int) -> Any:
        kind = _CONTAINERS[node["is"]]
        made: Any = current if type(current) is kind else None
        if kind is frozenset:
            self._made[number] = made = frozenset(node["of"])
            return made
        if kind is bytearray:
            self._made[number] = made = bytearray(node["of"].tobytes())
            return made
        if made is None or (kind is deque and made.maxlen != node["most"]):
            if kind is defaultdict:
                raise ValueError("a defaultdict is missing: its function is unknown")
            made = deque(maxlen=node["most"]) if kind is deque else kind()
        self._made[number] = made
        if kind in (dict, OrderedDict, defaultdict):
            olds = dict(made)
            pairs = []
            for key_node, item in node["of"]:
                key = self.decode(key_node, None)
                pairs.append((key, self.decode(item, olds.get(key))))
            made.clear()
            made.update(pairs)
            return made
        olds_of_list = list(made) if kind is not set else []
        items = [
            self.decode(item, olds_of_list[index] if index < len(olds_of_list) else None)
            for index, item in enumerate(node["of"])
        ]
        made.clear()
        _ = made.update(items) if kind is set else made.extend(items)
        return made

    def _unused(self, current: Any) -> Any:
        """The fresh object at a place, unless it was already filled: `[row] * 3` may have become three rows."""
        if current is None or id(current) in self._filled:
            return None
        self._filled.add(id(current))
        return current


_SIMPLE = frozenset({"same", "outside", "code", "scalar", "bytes", "enum", "tuple"})
_CONTAINERS: dict[str, Any] = {
    "list": list,
    "dict": dict,
    "OrderedDict": OrderedDict,
    "defaultdict": defaultdict,
    "deque": deque,
    "set": set,
    "frozenset": frozenset,
    "bytearray": bytearray,
}


def _set(owner: Any, name: str, value: Any) -> None:
    """Set an attribute without the class's own `__setattr__`."""
    if hasattr(owner, "__dict__") and not isinstance(getattr(type(owner), name, None), types.MemberDescriptorType):
        owner.__dict__[name] = value
    else:
        object.__setattr__(owner, name, value)


def _array(saved: np.ndarray, current: Any) -> np.ndarray:
    fits = type(current) is np.ndarray and current.shape == saved.shape and current.dtype == saved.dtype
    if fits and current.flags.writeable:
        current[...] = saved
        found: np.ndarray = current
        return found
    return saved.copy()


def _tensor(saved: np.ndarray, current: Any) -> torch.Tensor:
    made = torch.from_numpy(np.array(saved))
    if isinstance(current, torch.Tensor) and current.shape == made.shape and current.dtype == made.dtype:
        with torch.no_grad():
            current.copy_(made)
        return current
    return made


def _generator(node: Any, current: Any) -> Any:
    kind = node["is"]
    if kind == "random":
        made: Any = current if type(current) is random.Random else random.Random()
        made.setstate((node["version"], tuple(int(word) for word in node["words"]), node["gauss"]))
        return made
    if kind == "random_state":
        made = current if type(current) is np.random.RandomState else np.random.RandomState()
        made.set_state(node["of"])
        return made
    name = node["of"]["bit_generator"]
    if isinstance(current, np.random.Generator) and type(current.bit_generator).__name__ == name:
        made = current
    else:
        made = np.random.Generator(getattr(np.random, name)())
    made.bit_generator.state = node["of"]
    return made


def _class_of(name: str, current: Any) -> Any:
    """A class by its name: that of the fresh object, or one of a module that is already imported."""
    if current is not None and class_name(type(current)) == name:
        return type(current)
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise ValueError(f"the class {name} is missing")
    return found
