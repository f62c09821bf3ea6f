"""Values as JSON and raw bytes. Never pickle.

Every value becomes JSON; bytes of arrays become numbered buffers. A list, a dict or an array that occurs twice is
written once, so that shared objects are shared again after a resume, also between two parts.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.protocols import protocol_of, state_of

_MOST_INT = 2**63
_REMEDY = "give its type the methods state_dict() and load_state_dict(state)"


class NotKept(Exception):
    """A value cannot be written; raised inside the state of an object, which is then lost as a whole."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


class Encoder:
    """Turns values into JSON and buffers; one encoder for all parts of a checkpoint.

    Args:
        buffers: List that receives the buffers.

    Attributes:
        buffers: Bytes of arrays, in the order of their numbers.
        lost: `place: reason` of every value that cannot be kept.
        count: Number of the next list, dict, array or object. The decoder counts in the same order.
    """

    def __init__(self, buffers: list[bytes] | None = None) -> None:
        self.buffers: list[bytes] = [] if buffers is None else buffers
        self.lost: list[str] = []
        self._seen: dict[int, tuple[int, Any]] = {}  # holds the values too, so that no id is used again
        self.count = 0
        self._inside_object = 0

    def part(self, value: Any, name: str) -> Any:
        """The JSON form of a part; a part that cannot be kept as a whole is added to `lost`."""
        before = self._mark()
        try:
            return self.encode(value, name)
        except NotKept as fault:
            self.lost.append(str(fault))
        except RecursionError:
            self.lost.append(f"{name}: it is nested too deeply, or contains itself through a tuple")
        self._inside_object = 0
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
        if type(value) is tuple:
            return {"is": "tuple", "of": self._items(value, place)}
        if type(value) is bytes:
            return {"is": "bytes", "buffer": self._buffer(value)}
        if arrays.is_numpy_scalar(value):
            return self._array(value, place)
        known = self._seen.get(id(value))
        if known is not None:
            return {"is": "same", "as": known[0]}
        return self._mutable(value, place)

    def _mutable(self, value: Any, place: str) -> Any:
        if protocol_of(value) is not None:
            return self._object(value, place)
        if arrays.is_array(value):
            return self._array(value, place)
        kind = type(value)
        if kind not in _CONTAINERS:
            return self._lose(place, f"a value of type {kind.__module__}.{kind.__qualname__}; {_REMEDY}")
        self._number(value)
        return self._container(value, place)

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

    def _container(self, value: Any, place: str) -> Any:
        if type(value) in DICTS:
            # Keys first: they are plain, and a lost key must not be replaced by None.
            pairs = [
                [self._key(key, place), self.encode(item, f"{place}[{key!r}]")] for key, item in list(value.items())
            ]
            factory = {"makes": factory_name(value)} if type(value) is defaultdict else {}
            return {"is": DICTS[type(value)], **factory, "of": pairs}
        if type(value) is deque:
            return {"is": "deque", "most": value.maxlen, "of": self._items(value, place)}
        if type(value) is set:
            self.lost.append(f"{place}: the order of a set; use a dict or a sorted list")
            return {"is": "set", "of": sorted((self._key(item, place) for item in value), key=repr)}
        if type(value) is bytearray:
            return {"is": "bytearray", "buffer": self._buffer(bytes(value))}
        return {"is": "list", "of": self._items(value, place)}

    def _items(self, values: Any, place: str) -> list[Any]:
        return [self.encode(item, f"{place}[{index}]") for index, item in enumerate(values)]

    def _key(self, key: Any, place: str) -> Any:
        if not _is_plain_key(key):
            raise NotKept(place, f"a key of type {type(key).__qualname__}; use numbers, texts or tuples of them")
        return self.encode(key, place)

    def _array(self, value: Any, place: str) -> Any:
        try:
            described, content = arrays.describe(value)
        except arrays.NotAnArray as fault:
            return self._lose(place, str(fault))
        if not arrays.is_numpy_scalar(value):
            self._number(value)
        return {**described, "buffer": self._buffer(content)}

    def _object(self, value: Any, place: str) -> Any:
        before = self._mark()
        self._number(value)
        self._inside_object += 1
        try:
            return {"is": "object", "by": protocol_of(value), "of": self._state(value, place)}
        except NotKept as fault:
            if self._inside_object > 1:
                raise
            self.lost.append(str(fault))
            self._undo(before)
            return {"is": "lost"}
        finally:
            self._inside_object -= 1

    def _state(self, value: Any, place: str) -> Any:
        try:
            state = state_of(value)
        except NotImplementedError as fault:  # e.g. random.SystemRandom
            raise NotKept(place, f"a {type(value).__qualname__} gives no state: {fault}") from fault
        return self.encode(state, place)

    def _lose(self, place: str, reason: str) -> Any:
        if self._inside_object:
            raise NotKept(place, reason)
        self.lost.append(f"{place}: {reason}")
        return {"is": "lost"}

    def _buffer(self, content: bytes) -> int:
        self.buffers.append(content)
        return len(self.buffers) - 1


DICTS: dict[type, str] = {dict: "dict", OrderedDict: "ordered", Counter: "counter", defaultdict: "default"}
_CONTAINERS = frozenset({list, *DICTS, deque, set, bytearray})
FACTORIES: dict[str, Any] = {one.__name__: one for one in (bool, int, float, str, list, tuple, dict, set, deque)}
"""Factories of a `defaultdict` that a checkpoint names; another one has to be in the script."""


def factory_name(value: Any) -> str | None:
    """Name of the factory of a `defaultdict`; empty for one of the script, None without a factory."""
    made = value.default_factory
    return None if made is None else next((name for name, one in FACTORIES.items() if one is made), "")


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
    if type(key) is tuple:
        return all(map(_is_plain_key, key))
    return _scalar(key) is not None or type(key) is bytes or arrays.is_numpy_scalar(key)
