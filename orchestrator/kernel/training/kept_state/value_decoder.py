"""Restores numbers, texts, arrays and containers from JSON and raw bytes, in place where the script has them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.objects.constants import build_constant
from orchestrator.kernel.training.kept_state.objects.containers import DICTS, FACTORIES
from orchestrator.kernel.training.kept_state.objects.program import find_class


class ValueDecoder:
    """Restores values; lists, dicts and arrays that the script already has are filled in place. `Decoder` adds objects.

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
            return _kept(arrays.build(node, self._content(node), None), current)
        if kind in _UNNUMBERED:
            return self._unnumbered(node, kind, current)
        number = self._count
        self._count += 1
        return self._numbered(node, kind, self._unused(current), number)

    def _unnumbered(self, node: Any, kind: str, current: Any) -> Any:
        """The value of a form that has no number."""
        if kind == "same":
            if node["as"] not in self._made:
                raise ValueError("it shares an object with another part; keep both in the same order as before")
            return self._made[node["as"]]
        if kind == "outside":
            return self._outside[node["name"]]
        if kind == "bytes":
            return self._content(node)
        items = list(self._items(node["of"], current if isinstance(current, tuple) else ()))
        if kind == "tuple":
            return tuple(items) if "class" not in node else _tuple_of(find_class(node["class"], current), items)
        return frozenset(items) if kind == "frozenset" else _kept(build_constant(node["type"], items), current)

    def _numbered(self, node: Any, kind: str, current: Any, number: int) -> Any:
        """The value of a form that has a number, so that others can refer to it."""
        if kind in ("array", "tensor"):
            self._made[number] = made = self._array(node, current)
            return made
        return (
            self._objects(node, current, number) if kind == "objects" else self._container(node, kind, current, number)
        )

    def _objects(self, node: Any, current: Any, number: int) -> Any:
        fits = arrays.is_array(current) and list(current.shape) == node["shape"] and arrays.holds_objects(current)
        made = current if fits else arrays.build_objects([None] * len(node["of"]), node["shape"])
        self._made[number] = made
        items = list(self._items(node["of"], made.reshape(-1).tolist()))
        made[...] = arrays.build_objects(items, node["shape"])
        return made

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
        content: bytes = self._buffers[node["buffer"]]
        return content


def _kept(made: Any, current: Any) -> Any:
    """The script's own constant if it is the same: a library's pickle of a space shows which dtypes are one object."""
    if type(made) is not type(current):
        return made
    if arrays.is_array(made):
        return current if made.dtype == current.dtype and made.tobytes() == current.tobytes() else made
    return current if made == current else made


def _number(node: Any, kind: str) -> Any:
    if kind == "int":
        return int(node["hex"], 16)
    if kind == "float":
        return float(node["text"])
    return complex(float.fromhex(node["real"]), float.fromhex(node["imaginary"]))


def _tuple_of(kind: Any, items: list[Any]) -> Any:
    return kind._make(items) if hasattr(kind, "_make") else kind(items)


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
    {"same", "outside", "bytes", "code", "enum", "method", "partial", "tuple", "frozenset", "constant", "place"}
)
