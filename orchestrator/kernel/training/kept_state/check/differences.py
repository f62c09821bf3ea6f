"""Names the first difference between two values or two captured states."""

from __future__ import annotations

import sys
from typing import Any

from orchestrator.kernel.training.kept_state.arrays import is_array
from orchestrator.kernel.training.kept_state.encoder import Encoder


class Captured:
    """A captured environment.

    Attributes:
        name: Its class.
        node: Its JSON form.
        buffers: Its buffers.
        lost: What cannot be kept.
    """

    def __init__(self, env: Any) -> None:
        encoder, self.name = Encoder(), type(env).__name__
        self.node, self.buffers, self.lost = encoder.part(env, type(env).__name__), encoder.buffers, encoder.lost


def state_difference(one: Captured, other: Captured) -> str:
    """Path of the first attribute that differs, e.g. `CartPoleEnv.state`; empty if none does."""
    return _differs(one.node, one.buffers, other.node, other.buffers, one.name)


def value_difference(one: Any, other: Any) -> str:
    """Where two observations, rewards or ends differ first: a key and an index; empty if they are equal."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        found = ((name, value_difference(one[name], other[name])) for name in one)
        return next((f"{name!r} {inner}".strip() for name, inner in found if inner), "")
    if isinstance(one, tuple | list) and isinstance(other, tuple | list) and len(one) == len(other):
        found = ((number, value_difference(*pair)) for number, pair in enumerate(zip(one, other, strict=True)))
        return next((f"at {number} {inner}".strip() for number, inner in found if inner), "")
    if is_array(one) and is_array(other):
        return "" if _bytes(one) == _bytes(other) else _index(one, other)
    first, second = Encoder(), Encoder()
    same = (first.part(one, ""), first.buffers) == (second.part(other, ""), second.buffers)
    return "" if same else f"{one!r} instead of {other!r}"[:80]


def _bytes(array: Any) -> tuple[Any, ...]:
    return str(array.dtype), tuple(array.shape), array.tobytes()


def _index(one: Any, other: Any) -> str:
    numpy = sys.modules["numpy"]
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"shape {one.shape} {one.dtype} instead of {other.shape} {other.dtype}"
    if not one.shape:
        return f"{one} instead of {other}"
    octets = [numpy.frombuffer(array.tobytes(), numpy.uint8).reshape(array.size, -1) for array in (one, other)]
    first = int((octets[0] != octets[1]).any(axis=1).argmax())
    return f"at index {[int(part) for part in numpy.unravel_index(first, one.shape)]}"


def _differs(one: Any, of_one: list[bytes], other: Any, of_other: list[bytes], path: str) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        if other.get("is") == "fresh":
            return ""
        if one.keys() != other.keys():
            return path
        for key in one:
            if key == "buffer":
                if of_one[one[key]] != of_other[other[key]]:
                    return path
            elif found := _differs(one[key], of_one, other[key], of_other, path):
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list):
        return _lists_differ(one, of_one, other, of_other, path)
    return "" if type(one) is type(other) and one == other else path


def _lists_differ(one: list[Any], of_one: list[bytes], other: list[Any], of_other: list[bytes], path: str) -> str:
    if len(one) != len(other):
        return path
    for first, second in zip(one, other, strict=True):
        named = isinstance(first, list) and len(first) == 2 and isinstance(first[0], str)
        below = f"{path}.{first[0]}" if named else path
        if found := _differs(first, of_one, second, of_other, below):
            return found
    return ""
