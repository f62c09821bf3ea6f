"""Numbers, texts, arrays and containers as JSON and raw bytes.

Bytes of arrays become numbered buffers. A list, a dict, an array or an object that occurs twice is written once, so
that shared objects are shared again after a resume, also between two parts.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Set
from enum import Enum
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.objects.constants import arguments_of
from orchestrator.kernel.training.kept_state.objects.containers import (
    DICTS,
    factory_name,
    is_rebuilt_in_order,
    is_tuple,
)
from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of

_MOST_INT = 2**63
_REMEDY = "give its type the methods state_dict() and load_state_dict(state)"


class NotKept(Exception):
    """A value cannot be written; raised inside the state of an object, which is then lost as a whole."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


class ValueEncoder:
    """Turns numbers, texts, arrays and containers into JSON and buffers; `Encoder` adds objects.

    Args:
        buffers: List that receives the buffers.
        templates: What a fresh script has (attribute `met` of the encoder of its parts); what is not among it and
            cannot be built is lost. None: the script will have everything.
        outside: Objects that are captured elsewhere, by name; a reference to one is stored as its name.

    Attributes:
        buffers: Bytes of arrays, in the order of their numbers.
        lost: `place: reason` of every value that cannot be kept.
        count: Number of the next list, dict, array or object. The decoder counts in the same order.
        met: Functions, and objects that cannot be built, with their places.
    """

    def __init__(
        self,
        buffers: list[bytes] | None = None,
        *,
        templates: Set[str] | None = None,
        outside: Mapping[str, Any] | None = None,
    ) -> None:
        self.buffers: list[bytes] = [] if buffers is None else buffers
        self.lost: list[str] = []
        self.count = 0
        self.met: set[str] = set()
        self._templates = templates
        self._outside = {id(value): (name, value) for name, value in (outside or {}).items()}
        self._seen: dict[int, tuple[int, Any]] = {}  # holds the values too, so that no id is used again
        self._memory: dict[int, list[tuple[int, int, int, int]]] = {}  # arrays by number, in each memory
        self._inside_state = 0  # of an object with a protocol
        self._inside_instance = 0

    @property
    def objects(self) -> list[Any]:
        """All lists, dicts, arrays and objects so far, in their order."""
        return [value for _, value in self._seen.values()]

    def part(self, value: Any, name: str) -> Any:
        """The JSON form of a part; a part that cannot be kept as a whole is added to `lost`."""
        before = self._mark()
        try:
            return self.encode(value, name)
        except NotKept as fault:
            self.lost.append(str(fault))
        except RecursionError:
            self.lost.append(f"{name}: it is nested too deeply, or contains itself through a tuple")
        self._inside_state = self._inside_instance = 0
        self._undo(before)
        return {"is": "lost"}

    def encode(self, value: Any, place: str) -> Any:
        """The JSON form of a value.

        Args:
            value: Any value; one that cannot be kept is added to `lost`.
            place: Name for messages, e.g. `agent.weights[0]`.

        Raises:
            NotKept: Part of the state of an object cannot be kept.
        """
        plain = _scalar(value)
        if plain is not None:
            return plain[0]
        if id(value) in self._outside:
            return {"is": "outside", "name": self._outside[id(value)][0]}
        if isinstance(value, tuple) and is_tuple(type(value)):
            named = {} if type(value) is tuple else {"class": class_name(type(value))}
            return {"is": "tuple", **named, "of": self._items(value, place)}
        if type(value) is bytes:
            return self._store({"is": "bytes"}, value)
        if arrays.is_numpy_scalar(value):
            return self._array(value, place)
        if id(value) in self._seen:
            return {"is": "same", "as": self._seen[id(value)][0]}
        return self._constant(value, place) or self._mutable(value, place)

    def _constant(self, value: Any, place: str) -> Any:
        """The JSON form of what never changes, None for other values."""
        return {"is": "frozenset", "of": self._members(value, place)} if type(value) is frozenset else None

    def _mutable(self, value: Any, place: str) -> Any:
        if arrays.is_array(value):
            return self._objects(value, place) if arrays.holds_objects(value) else self._array(value, place)
        if type(value) in CONTAINERS:
            return self._container(value, place)
        return self._lose_type(place, type(value))

    def _number(self, value: Any) -> None:
        """Give a value the next number; what is lost gets none, since the decoder makes nothing there."""
        self._seen[id(value)] = (self.count, value)
        self.count += 1

    def _mark(self) -> tuple[int, int, int]:
        return self.count, len(self._seen), len(self.buffers)

    def _undo(self, mark: tuple[int, int, int]) -> None:
        """Forget the numbers and buffers that were given since a mark."""
        self.count, seen, buffers = mark
        while len(self._seen) > seen:
            self._seen.popitem()
        del self.buffers[buffers:]
        for known in self._memory.values():
            known[:] = [one for one in known if one[0] < self.count]

    def _container(self, value: Any, place: str) -> Any:
        before = self._mark()
        self._number(value)
        kind = type(value)
        if kind in DICTS:
            try:
                pairs = [
                    [self._key(key, place), self.encode(item, f"{place}[{key!r}]")] for key, item in list(value.items())
                ]
            except NotKept as fault:
                if self._inside_state or not self._inside_instance:
                    raise
                self._undo(before)
                self.lost.append(str(fault))
                return {"is": "lost"}
            factory = {"makes": factory_name(value)} if kind is defaultdict else {}
            return {"is": DICTS[kind], **factory, "of": pairs}
        if kind is deque:
            return {"is": "deque", "most": value.maxlen, "of": self._items(value, place)}
        if kind is set:
            return {"is": "set", "of": self._members(value, place)}
        if kind is bytearray:
            return self._store({"is": "bytearray"}, bytes(value))
        return {"is": "list", "of": self._items(value, place)}

    def _members(self, value: Any, place: str) -> list[Any]:
        """The members of a set in its order, which is lost if another process would have another one."""
        if not is_rebuilt_in_order(value):
            self.lost.append(f"{place}: the order of a set; use a dict or a sorted list")
            return sorted((self._key(item, place) for item in value), key=repr)
        return [self._key(item, place) for item in value]

    def _items(self, values: Any, place: str) -> list[Any]:
        return [self.encode(item, f"{place}[{index}]") for index, item in enumerate(values)]

    def _key(self, key: Any, place: str) -> Any:
        known = _is_plain_key(key) or id(key) in self._seen or id(key) in self._outside
        if not known and not (isinstance(key, type) and self._inside_instance):
            raise NotKept(place, f"a key of type {type(key).__qualname__}; use numbers, texts or tuples of them")
        return self.encode(key, place)

    def _array(self, value: Any, place: str) -> Any:
        try:
            described, content = arrays.describe(value)
        except arrays.NotAnArray as fault:
            return self.lose(place, str(fault))
        if arrays.is_numpy_scalar(value):
            return self._store(described, content)
        shares = self._shares(value)
        self._number(value)
        return self._store({**described, **({"shares": shares} if shares else {})}, content)

    def _shares(self, value: Any) -> list[Any] | None:
        """Number of an earlier array in the same memory, bytes from its first number to this one's, and strides."""
        memory = arrays.memory_of(value)
        if memory is None:
            return None
        whole, first, low, high = memory
        known = self._memory.setdefault(whole, [])
        found = next((one for one in known if one[2] < high and low < one[3]), None)
        known.append((self.count, first, low, high))
        return None if found is None else [found[0], first - found[1], arrays.strides_of(value)]

    def _objects(self, value: Any, place: str) -> Any:
        """An array of Python objects, lost as a whole if one of them is."""
        before, lost = self._mark(), len(self.lost)
        self._number(value)
        items = [self.encode(item, place) for item in value.reshape(-1).tolist()]
        if len(self.lost) > lost:
            del self.lost[lost:]
            self._undo(before)
            return self.lose(place, "an array of Python objects; use numbers, or a list")
        return {"is": "objects", "shape": list(value.shape), "of": items}

    def _lose_type(self, place: str, kind: type) -> Any:
        if self._inside_instance:
            return self.lose(place, f"an object of {class_name(kind)}, which hides its state")
        return self.lose(place, f"a value of type {module_of(kind)}.{kind.__qualname__}; {_REMEDY}")

    def lose(self, place: str, reason: str) -> Any:
        """Record that a value cannot be kept.

        Raises:
            NotKept: It belongs to the state of an object, which is lost as a whole.
        """
        if self._inside_state:
            raise NotKept(place, reason)
        self.lost.append(f"{place}: {reason}")
        return {"is": "lost"}

    def _store(self, described: dict[str, Any], content: bytes) -> dict[str, Any]:
        """A node with its bytes."""
        self.buffers.append(content)
        return {**described, "buffer": len(self.buffers) - 1}


CONTAINERS = frozenset({list, *DICTS, deque, set, bytearray})


def _scalar(value: Any) -> tuple[Any] | None:
    """The JSON form of a plain number or text in a tuple, None for other values."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return (value,)
    if kind is int:
        return (value if -_MOST_INT < value < _MOST_INT else {"is": "int", "hex": hex(value)},)
    if kind is float:
        return (value if math.isfinite(value) else {"is": "float", "text": repr(value)},)
    if kind is complex:
        return ({"is": "complex", "real": value.real.hex(), "imaginary": value.imag.hex()},)
    return None


def _is_plain_key(key: Any) -> bool:
    if isinstance(key, tuple | frozenset) and (is_tuple(type(key)) or type(key) is frozenset):
        return all(map(_is_plain_key, key))
    if isinstance(key, Enum) or type(key) is bytes or _scalar(key) is not None:
        return True
    return arrays.is_numpy_scalar(key) or arguments_of(key) is not None
