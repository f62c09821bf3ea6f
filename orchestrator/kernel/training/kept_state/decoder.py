"""Restores values from JSON and raw bytes into the objects that a script already has."""

from __future__ import annotations

import functools
import operator
import types
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.encoder import DICTS, FACTORIES
from orchestrator.kernel.training.kept_state.objects.attributes import attributes_of, empty_object, set_attributes
from orchestrator.kernel.training.kept_state.objects.constants import build_constant
from orchestrator.kernel.training.kept_state.objects.modules import beside_state, set_beside
from orchestrator.kernel.training.kept_state.objects.program import code_name, find_class, find_code
from orchestrator.kernel.training.kept_state.protocols import build_object, load_object, protocol_of


class Decoder:
    """Restores values; lists, dicts, arrays and objects that the script already has are filled in place.

    One decoder restores all parts of a checkpoint, so that it knows what parts share.

    Args:
        buffers: Bytes by number, as written by the `Encoder`.
        outside: The objects that are captured elsewhere, by name.
        lenient: Keep the script's value where one could not be captured; else that is an error.
    """

    def __init__(self, buffers: list[bytes], *, outside: Mapping[str, Any] | None = None, lenient: bool = True) -> None:
        self._buffers = buffers
        self._outside = dict(outside or {})
        self._lenient = lenient
        self._made: dict[int, Any] = {}
        self._count = 0
        self._memory: dict[int, list[tuple[int, int]]] = {}  # what is filled of each memory
        self._filled: dict[int, Any] = {}  # holds the values too, so that no id is used again

    def part(self, node: Any, first: int, current: Any) -> Any:
        """The value of a part.

        Args:
            node: Its JSON form.
            first: Number of its first object, as the `Encoder` counted.
            current: The script's value.

        Raises:
            ValueError: See `decode`.
        """
        self._count = first
        return self.decode(node, current)

    def decode(self, node: Any, current: Any = None) -> Any:
        """The value of a JSON form.

        Args:
            node: The JSON form.
            current: The script's value at this place; filled in place where its type allows it.

        Raises:
            ValueError: An object is missing in the script, or the form is unknown.
        """
        if not isinstance(node, dict):
            return node
        kind = node["is"]
        if kind == "lost" and not self._lenient:
            raise ValueError("it holds a value that could not be captured")
        if kind in ("lost", "fresh"):
            return current
        if kind in _NUMBERS:
            return _number(node, kind)
        if kind == "array" and node["scalar"]:
            return arrays.build(node, self._content(node), None)
        if kind in _UNNUMBERED:
            return self._unnumbered(node, kind, current)
        number = self._count
        self._count += 1
        return self._numbered(node, kind, self._unused(current), number)

    def attributes(self, owner: Any, tree: list[list[Any]]) -> None:
        """Set the attributes of an object; attributes that the tree lacks are removed.

        Raises:
            ValueError: The tree does not fit the object.
        """
        now = dict(attributes_of(owner))
        values = {name: self.decode(node, now.get(name)) for name, node in tree}
        unknown = {name for name, node in tree if name not in now and _is_unknown(node)}
        set_attributes(owner, {name: value for name, value in values.items() if name not in unknown})

    def _unnumbered(self, node: Any, kind: str, current: Any) -> Any:
        if kind == "same":
            if node["as"] not in self._made:
                raise ValueError("it shares an object with another part; keep both in the same order as before")
            return self._made[node["as"]]
        if kind == "outside":
            return self._outside[node["name"]]
        if kind == "bytes":
            return self._content(node)
        if kind == "code":
            return find_code(node["name"], current)
        if kind == "enum":
            members = find_class(node["class"], current)
            return members[node["name"]] if "name" in node else members(node["value"])
        if kind == "method":
            return self._method(node, current)
        if kind == "partial":
            return self._partial(node, current)
        items = list(self._items(node["of"], current if isinstance(current, tuple) else ()))
        if kind == "tuple":
            return tuple(items) if "class" not in node else _tuple_of(find_class(node["class"], current), items)
        return frozenset(items) if kind == "frozenset" else build_constant(node["type"], items)

    def _method(self, node: Any, current: Any) -> Any:
        owner = self.decode(node["of"], getattr(current, "__self__", None))
        if getattr(current, "__self__", self) is owner and code_name(current) == node["name"]:
            return current
        found = getattr(owner, node["name"].rpartition(".")[2], None)
        if not callable(found):
            raise ValueError(f"the method {node['name']} is missing")
        return found

    def _partial(self, node: Any, current: Any) -> Any:
        old = current if isinstance(current, functools.partial) else None
        olds = (None, (), {}) if old is None else (old.func, old.args, old.keywords)
        function, arguments, keywords = self._items(node["of"], olds)
        if not callable(function):
            raise ValueError("the function of a partial function is missing")
        same = old is not None and old.func is function and len(old.args) == len(arguments)
        if same and all(map(operator.is_, olds[1], arguments)) and keywords is olds[2]:
            return old
        return functools.partial(function, *arguments, **keywords)

    def _numbered(self, node: Any, kind: str, current: Any, number: int) -> Any:
        if kind in ("array", "tensor"):
            self._made[number] = made = self._array(node, current)
            return made
        if kind == "object":
            return self._object(node, current, number)
        if kind == "instance":
            kind_now = find_class(node["class"], current)
            made = current if type(current) is kind_now else empty_object(kind_now)
            self._made[number] = made
            self.attributes(made, node["of"])
            return made
        if kind == "function":
            return self._function(node, current, number)
        if kind == "objects":
            fits = arrays.is_array(current) and list(current.shape) == node["shape"] and arrays.holds_objects(current)
            made = current if fits else arrays.build_objects([None] * len(node["of"]), node["shape"])
            self._made[number] = made
            items = list(self._items(node["of"], made.reshape(-1).tolist()))
            made[...] = arrays.build_objects(items, node["shape"])
            return made
        return self._container(node, kind, current, number)

    def _array(self, node: Any, current: Any) -> Any:
        whole = self._made.get(node["shares"][0]) if "shares" in node else None
        if whole is not None and not arrays.is_part(current, whole, node["shares"]):
            made = arrays.view(node, whole)
            return arrays.build(node, self._content(node), None) if made is None else made
        memory = arrays.memory_of(current) if arrays.is_array(current) else None
        if memory is not None:
            filled = self._memory.setdefault(memory[0], [])
            if whole is None and any(low < memory[3] and memory[2] < high for low, high in filled):
                current = None  # it is a part of an array that is restored, which it no longer was
            filled.append(memory[2:])
        return arrays.build(node, self._content(node), current)

    def _object(self, node: Any, current: Any, number: int) -> Any:
        if protocol_of(current) != node["by"]:
            current = build_object(node["class"])
        if current is None:
            raise ValueError(f"the checkpoint holds an object with {node['by']}, the script has none at this place")
        self._made[number] = current
        load_object(current, self.decode(node["of"], None))
        if "beside" in node:
            now = {name: (values, owner) for name, values, owner in beside_state(current)}
            for name, tree in node["beside"]:
                values, owner = now[name]
                for key, inner in tree:
                    if not _is_unknown(inner):
                        set_beside(owner, key, self.decode(inner, values.get(key)))
        return current

    def _function(self, node: Any, current: Any, number: int) -> Any:
        if not isinstance(current, types.FunctionType) or code_name(current) != node["name"]:
            raise ValueError(f"the function {node['name'].partition('#')[0]} is missing")
        self._made[number] = current
        for cell, inner in zip(current.__closure__ or (), node["cells"], strict=True):
            self._cell(inner, cell)
        held = [current.__defaults__, current.__kwdefaults__, vars(current)]
        current.__defaults__, current.__kwdefaults__, _ = self._items(node["of"], held)
        return current

    def _cell(self, node: Any, cell: types.CellType) -> None:
        if node["is"] == "same":
            if self._made[node["as"]] is not cell:
                raise ValueError("two functions no longer share a variable")
            return
        self._made[self._count] = cell
        self._count += 1
        for inner in node["of"]:
            try:
                before = cell.cell_contents
            except ValueError:  # an empty cell
                before = None
            cell.cell_contents = self.decode(inner, before)

    def _container(self, node: Any, kind: str, current: Any, number: int) -> Any:
        made = current if type(current) is _TYPES[kind] else None
        olds: Any = made
        if made is None or (kind == "deque" and made.maxlen != node["most"]):
            made = _empty(node, kind)
        self._made[number] = made
        self._fill(made, olds if olds is not None else _TYPES[kind](), node, kind)
        return made

    def _fill(self, made: Any, olds: Any, node: Any, kind: str) -> None:
        if kind in DICTS.values():
            pairs = []
            for key_node, item in node["of"]:
                key = self.decode(key_node)
                pairs.append((key, self.decode(item, _current(olds, key, item))))
            made.clear()
            for key, value in pairs:
                made[key] = value
        elif kind == "bytearray":
            made[:] = self._content(node)
        elif kind == "set":
            members = [self.decode(item) for item in node["of"]]
            made.clear()
            made.update(members)
        else:
            items = list(self._items(node["of"], list(olds)))
            made.clear()
            made.extend(items)

    def _items(self, nodes: list[Any], olds: Any) -> Iterator[Any]:
        for index, node in enumerate(nodes):
            yield self.decode(node, olds[index] if index < len(olds) else None)

    def _unused(self, current: Any) -> Any:
        """The script's object, unless it was already filled: `[row] * 3` may have become three different rows."""
        if current is None or id(current) in self._filled:
            return None
        self._filled[id(current)] = current
        return current

    def _content(self, node: dict[str, Any]) -> bytes:
        """The bytes of a node."""
        return self._buffers[node["buffer"]]


def _number(node: Any, kind: str) -> Any:
    if kind == "int":
        return int(node["hex"], 16)
    if kind == "float":
        return float(node["text"])
    return complex(float.fromhex(node["real"]), float.fromhex(node["imaginary"]))


def _tuple_of(kind: Any, items: list[Any]) -> Any:
    return kind._make(items) if hasattr(kind, "_make") else kind(items)


def _is_unknown(node: Any) -> bool:
    return isinstance(node, dict) and node["is"] in ("lost", "fresh")


def _empty(node: Any, kind: str) -> Any:
    if kind == "deque":
        return deque(maxlen=node["most"])
    if kind == "default":
        if node["makes"] == "":
            raise ValueError("the checkpoint holds a defaultdict with a function, the script has none at this place")
        return defaultdict(FACTORIES.get(node["makes"]))
    return _TYPES[kind]()


def _current(olds: Any, key: Any, item: Any) -> Any:
    """The script's value of a key; a nested `defaultdict` that it does not have yet is made by its own factory."""
    needed = isinstance(item, dict) and item["is"] == "default" and item["makes"] == ""
    if needed and key not in olds and getattr(olds, "default_factory", None) is not None:
        return olds.default_factory()
    return olds.get(key)


_TYPES: dict[str, Any] = {
    **{name: kind for kind, name in DICTS.items()},
    "list": list,
    "deque": deque,
    "set": set,
    "bytearray": bytearray,
}
_NUMBERS = frozenset({"int", "float", "complex"})
_UNNUMBERED = frozenset(
    {"same", "outside", "bytes", "code", "enum", "method", "partial", "tuple", "frozenset", "constant"}
)
