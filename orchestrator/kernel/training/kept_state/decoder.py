"""Restores values from JSON and raw bytes into the objects that a script already has."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.encoder import DICTS, FACTORIES
from orchestrator.kernel.training.kept_state.protocols import load_object, protocol_of


class Decoder:
    """Restores values; lists, dicts, arrays and objects that the script already has are filled in place.

    One decoder restores all parts of a checkpoint, so that it knows what parts share.

    Args:
        buffers: Bytes by number, as written by the `Encoder`.
    """

    def __init__(self, buffers: list[bytes]) -> None:
        self._buffers = buffers
        self._made: dict[int, Any] = {}
        self._count = 0
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
        if kind == "same":
            if node["as"] not in self._made:
                raise ValueError("it shares an object with another part; keep both in the same order as before")
            return self._made[node["as"]]
        if kind == "lost":
            return current
        if kind in _SIMPLE:
            return self._simple(node, kind)
        if kind == "tuple":
            olds = current if type(current) is tuple else ()
            return tuple(self._items(node["of"], olds))
        if kind == "array" and node["scalar"]:
            return arrays.build(node, self._buffers[node["buffer"]], None)
        return self._mutable(node, kind, self._unused(current))

    def _mutable(self, node: Any, kind: str, current: Any) -> Any:
        number = self._count
        self._count += 1
        if kind == "object":
            if protocol_of(current) != node["by"]:
                raise ValueError(f"the checkpoint holds an object with {node['by']}, the script has none at this place")
            self._made[number] = current
            load_object(current, self.decode(node["of"], None))
            return current
        if kind in ("array", "tensor"):
            self._made[number] = made = arrays.build(node, self._buffers[node["buffer"]], current)
            return made
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
            made[:] = self._buffers[node["buffer"]]
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

    def _simple(self, node: Any, kind: str) -> Any:
        if kind == "int":
            return int(node["hex"], 16)
        if kind == "float":
            return float(node["text"])
        if kind == "complex":
            return complex(float.fromhex(node["real"]), float.fromhex(node["imaginary"]))
        return self._buffers[node["buffer"]]


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
_SIMPLE = frozenset({"int", "float", "complex", "bytes"})
