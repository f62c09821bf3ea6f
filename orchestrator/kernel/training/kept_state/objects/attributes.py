"""The attributes of an object, in its dict and slots, and whether they are all of its state."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name, module_of
from orchestrator.kernel.training.kept_state.objects.structure import NOT_STATE

_IN_PROCESS = "orchestrator.kernel.training.kept_state.rules.recording:InProcess"
"""Objects of this class record an environment, in attributes of it that are not state."""


def attributes_of(owner: Any) -> Iterator[tuple[str, Any]]:
    """Attributes in the object's dict and slots, without those that are not state."""
    left_out = _left_out(owner)
    yield from ((name, value) for name, value in list(_dict_of(owner).items()) if name not in left_out)
    for name, member in _slots(type(owner)).items():
        if name not in left_out:
            try:
                yield name, member.__get__(owner)
            except AttributeError:  # an empty slot
                continue


def set_attributes(owner: Any, values: Mapping[str, Any]) -> None:
    """Give an object these attributes, in this order, and no others beside those that are not state.

    The class's own `__setattr__` is not called: it may refuse (frozen dataclasses) or do more than set.
    """
    slots, inner, left_out = _slots(type(owner)), _dict_of(owner), _left_out(owner)
    now = dict(attributes_of(owner))
    for name in slots.keys() & now.keys() - values.keys():
        slots[name].__delete__(owner)
    for name in slots.keys() & values.keys():
        if name not in now or now[name] is not values[name]:
            slots[name].__set__(owner, values[name])
    wanted = {name: value for name, value in values.items() if name not in slots}
    others = {name: value for name, value in inner.items() if name in left_out}
    if [one for one in inner if one not in left_out] != list(wanted):
        inner.clear()
        inner.update(others)
    inner.update(wanted)


def empty_object(kind: type) -> Any:
    """An object of a class without attributes; the class's own `__new__` and `__init__` are not called."""
    return types.SimpleNamespace() if kind is types.SimpleNamespace else object.__new__(kind)


def is_python_object(value: Any) -> bool:
    """Whether an object keeps its state in its dict and slots alone: no part of it is hidden in C."""
    kind = type(value)
    return kind is types.SimpleNamespace or (kind.__basicsize__ <= _python_size(kind) and kind.__itemsize__ == 0)


def _dict_of(owner: Any) -> dict[str, Any]:
    found = getattr(owner, "__dict__", None)
    return found if isinstance(found, dict) else {}


def _left_out(owner: Any) -> frozenset[str]:
    names = (NOT_STATE.get(f"{module_of(one)}.{one.__qualname__}", frozenset()) for one in type(owner).__mro__)
    recording = [name for name, value in list(_dict_of(owner).items()) if _is_recording(type(value))]
    return frozenset().union(*names, recording)


def _is_recording(kind: type) -> bool:
    return any(class_name(one) == _IN_PROCESS for one in kind.__mro__)


def _python_size(kind: type) -> int:
    """Size of an instance of a class that is written in Python and has the same slots."""
    extra = [name for name in ("__dict__", "__weakref__") if any(name in vars(one) for one in kind.__mro__)]
    slots = [f"slot_{number}" for number, _ in enumerate(_slots(kind))]
    return type("Same", (), {"__slots__": (*slots, *extra)}).__basicsize__


def _slots(kind: type) -> dict[str, Any]:
    return {
        name: member
        for one in reversed(kind.__mro__)
        for name, member in vars(one).items()
        if isinstance(member, types.MemberDescriptorType) and name != "__dict__"
    }
