"""Values and objects as JSON and raw bytes. Never pickle.

Objects are captured by their methods for it, or by their attributes. Code (functions, classes, modules) is not state.
Everything else is named as lost: nothing is left out silently.
"""

from __future__ import annotations

import functools
import types
from enum import Enum, Flag
from typing import Any

from orchestrator.kernel.training.kept_state import arrays
from orchestrator.kernel.training.kept_state.objects.attributes import attributes_of, is_python_object
from orchestrator.kernel.training.kept_state.objects.constants import arguments_of
from orchestrator.kernel.training.kept_state.objects.modules import beside_state, is_module
from orchestrator.kernel.training.kept_state.objects.open_files import is_stream
from orchestrator.kernel.training.kept_state.objects.places import place_of
from orchestrator.kernel.training.kept_state.objects.program import class_name, code_name, find_code, is_code
from orchestrator.kernel.training.kept_state.objects.protocols import can_be_built, kind_of, protocol_of, state_of
from orchestrator.kernel.training.kept_state.objects.structure import inexact_reason, is_fresh, outside_reason
from orchestrator.kernel.training.kept_state.rules.faults import NotSaved
from orchestrator.kernel.training.kept_state.rules.recording import recorder_of
from orchestrator.kernel.training.kept_state.rules.registry import has_attributes, replays, rule_name, rule_of
from orchestrator.kernel.training.kept_state.rules.tables import tables_of
from orchestrator.kernel.training.kept_state.value_encoder import CONTAINERS, NotKept, ValueEncoder


class Encoder(ValueEncoder):
    """Turns values and objects into JSON and buffers; one encoder for all parts of a checkpoint."""

    def _constant(self, value: Any, place: str) -> Any:
        """The JSON form of what never changes, None for other values."""
        kind = type(value)
        if isinstance(value, Enum):
            by = {"value": value.value} if isinstance(value, Flag) else {"name": value.name}
            return {"is": "enum", "class": class_name(kind), **by}
        if (built := arguments_of(value)) is not None:
            return {"is": "constant", "type": built[0], "of": self._items(built[1], place)}
        if is_code(value):
            return self._code(value, place)
        if is_fresh(kind) and rule_of(value) is None:
            return {"is": "fresh"}
        inside = value.values() if kind is dict else value if kind is list else ()
        if is_stream(value) or (inside and all(is_fresh(type(one)) for one in inside)):  # e.g. a list of pictures
            return {"is": "fresh"}
        return super()._constant(value, place)

    def _code(self, value: Any, place: str) -> Any:
        if not self._inside_instance:  # alone it is not state; the state of methods like `state_dict` must not hold it
            return self._lose_type(place, type(value))
        name = code_name(value)
        if not self._is_there(f"{place} {name}", can_be_built=find_code(name, None) is value):
            return self.lose(place, f"{name.partition('#')[0]} cannot be found by its name; set it before keep()")
        return {"is": "code", "name": name}

    def _mutable(self, value: Any, place: str) -> Any:
        kind = type(value)
        if kind in CONTAINERS or arrays.is_array(value):
            return super()._mutable(value, place)
        rule = rule_of(value)
        if rule is not None and not has_attributes(rule):
            return self.ruled(value, rule, place)
        if reason := outside_reason(kind):
            return self.lose(place, reason)
        if (by := protocol_of(value)) is not None:
            return self._object(value, by, place)
        if kind in (types.MethodType, types.BuiltinFunctionType):
            name, owner = code_name(value), self.encode(value.__self__, f"{place}.__self__")
            return {"is": "method", "name": name.partition("#")[0], "of": owner}
        if kind is functools.partial:
            return {"is": "partial", "of": self._items([value.func, value.args, value.keywords], place)}
        if kind is types.FunctionType:
            return self._function(value, place)
        plain = not is_python_object(value) or (kind is object and not self._inside_instance)
        return super()._mutable(value, place) if plain else self._instance(value, place)

    def ruled(self, value: Any, rule: Any, place: str) -> Any:
        """An object whose whole state a rule saves."""
        return self._object(value, f"rule {rule_name(rule)}", place)

    def _object(self, value: Any, by: str, place: str) -> Any:
        """An object with methods that read and set its state."""
        if not self._is_there(f"{place} {class_name(type(value))}", can_be_built=can_be_built(value)):
            return self.lose(place, "an object that was made during the training; make it before keep()")
        before, instances = self._mark(), self._inside_instance
        self._number(value)
        self._inside_state, self._inside_instance = self._inside_state + 1, 0
        kind = kind_of(value) if not by.startswith("rule ") else class_name(type(value))
        try:
            node = {"is": "object", "by": by, "class": kind, "of": self._state(value, by, place)}
        except NotKept as fault:
            if self._inside_state > 1:
                raise
            self.lost.append(str(fault))
            self._undo(before)
            return {"is": "lost"}
        finally:
            self._inside_state, self._inside_instance = self._inside_state - 1, instances
        return {**node, "beside": self._beside(value, place)} if is_module(value) else node

    def _beside(self, module: Any, place: str) -> list[Any]:
        inside, self._inside_state = self._inside_state, 0
        self._inside_instance += 1
        found = []
        for name, values, _ in beside_state(module):
            at = f"{place}.{name}" if name else place
            found.append([name, [[key, self.encode(value, f"{at}.{key}")] for key, value in values.items()]])
        self._inside_instance -= 1
        self._inside_state = inside
        return found

    def _state(self, value: Any, by: str, place: str) -> Any:
        try:
            state = rule_of(value).save(value) if by.startswith("rule ") else state_of(value)
        except NotSaved as fault:
            raise NotKept(place, str(fault)) from fault
        except NotImplementedError as fault:  # e.g. random.SystemRandom
            raise NotKept(place, f"a {type(value).__qualname__} gives no state: {fault}") from fault
        return self.encode(state, place)

    def _function(self, value: Any, place: str) -> Any:
        """A function with state: variables of the function around it, changeable defaults, attributes."""
        name = code_name(value)
        if not self._inside_instance:
            return self._lose_type(place, type(value))
        if not self._is_there(f"{place} {name}", can_be_built=False):
            return self.lose(place, "a function that was made during the training; make it before keep()")
        self._number(value)
        cells = [self._cell(cell, f"{place} (a closure)") for cell in value.__closure__ or ()]
        held = [value.__defaults__, value.__kwdefaults__, vars(value)]
        return {"is": "function", "name": name, "cells": cells, "of": self._items(held, place)}

    def _cell(self, cell: Any, place: str) -> Any:
        if id(cell) in self._seen:
            return {"is": "same", "as": self._seen[id(cell)][0]}
        self._number(cell)
        try:
            content = cell.cell_contents
        except ValueError:
            return {"is": "cell", "of": []}
        return {"is": "cell", "of": [self.encode(content, place)]}

    def _instance(self, value: Any, place: str) -> Any:
        """An object that its attributes describe."""
        name = class_name(type(value))
        if not self._is_there(f"{place} {name}", can_be_built="<locals>" not in name):
            return self.lose(place, f"an object of {name}, a class inside a function; move it out of the function")
        self._number(value)
        return {"is": "instance", "class": name, **self.instance(value, place)}

    def instance(self, owner: Any, place: str) -> dict[str, Any]:
        """The attributes of an object, under `of`, and what its rule saves beside them, under `beside`."""
        rule = rule_of(owner)
        if rule is None or not has_attributes(rule):
            return {"of": self.attributes(owner, place)}
        try:
            saved = _record(owner) if replays(rule) else rule.save(owner)
            beside = {"beside": self.encode(saved, f"{place} (its rule)"), "by": rule_name(rule)}
        except NotSaved as fault:
            beside = {"beside": self.lose(place, str(fault)), "by": rule_name(rule)}
        return {**beside, "of": self.attributes(owner, place, hidden=True)}

    def attributes(self, owner: Any, place: str, *, hidden: bool = False) -> list[list[Any]]:
        """Name and value of each attribute of an object.

        Args:
            owner: The object.
            place: Name for messages.
            hidden: Leave out what cannot be kept, since it is restored in another way.
        """
        if reason := inexact_reason(type(owner)):
            self.lost.append(f"{place}: {reason}")
        tables, found = tables_of(owner), []
        self._inside_instance += 1
        for name, value in attributes_of(owner):
            if tables is not None and (digest := tables.digest(name, value)):
                found.append([name, {"is": "table", "digest": digest}])
                continue
            before, lost = self._mark(), len(self.lost)
            node = place_of(value) or self.encode(value, f"{place}.{name}")
            if hidden and len(self.lost) > lost:
                del self.lost[lost:]
                self._undo(before)
                node = {"is": "fresh"}
            found.append([name, node])
        self._inside_instance -= 1
        return found

    def _is_there(self, what: str, *, can_be_built: bool) -> bool:
        """Whether a later process can have this object before it is restored."""
        if can_be_built or self._inside_state:
            return True
        self.met.add(what)
        return self._templates is None or what in self._templates


def _record(env: Any) -> Any:
    recorder = recorder_of(env)
    if recorder is None:
        raise NotSaved("its steps are not recorded; name the environment before its first reset")
    return recorder.record()
