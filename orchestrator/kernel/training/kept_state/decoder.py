"""Restores values from JSON and raw bytes into the objects that a script already has."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.protocols import load_object, protocol_of


class Decoder:
    """Restores values; lists, dicts, arrays and objects that the script already has are filled in place.

    Args:
        buffers: Bytes by number, as written by the `Encoder`.
    """

    def __init__(self, buffers: list[bytes]) -> None:
        self._buffers = buffers
        self._made: list[Any] = []
        self._filled: set[int] = set()

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
        number = len(self._made)
        self._made.append(None)
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
            made = deque(maxlen=node["most"]) if kind == "deque" else _TYPES[kind]()
        self._made[number] = made
        self._fill(made, olds if olds is not None else _TYPES[kind](), node, kind)
        return made

    def _fill(self, made: Any, olds: Any, node: Any, kind: str) -> None:
        if kind in ("dict", "ordered"):
            pairs = []
            for key_node, item in node["of"]:
                key = self.decode(key_node)
                pairs.append((key, self.decode(item, olds.get(key))))
            made.clear()
            made.update(pairs)
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
        self._filled.add(id(current))
        return current

    def _simple(self, node: Any, kind: str) -> Any:
        if kind == "int":
            return int(node["hex"], 16)
        if kind == "float":
            return float(node["text"])
        if kind == "complex":
            return complex(float.fromhex(node["real"]), float.fromhex(node["imaginary"]))
        return self._buffers[node["buffer"]]


_TYPES: dict[str, Any] = {
    "list": list,
    "dict": dict,
    "ordered": OrderedDict,
    "deque": deque,
    "set": set,
    "bytearray": bytearray,
}
_SIMPLE = frozenset({"int", "float", "complex", "bytes"})
