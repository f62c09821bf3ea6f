"""Restores values and objects from JSON and raw bytes into the objects that a script already has."""

from __future__ import annotations

import functools
import operator
import types
from typing import Any

from orchestrator.kernel.training.kept_state.objects.attributes import attributes_of, empty_object, set_attributes
from orchestrator.kernel.training.kept_state.objects.modules import beside_state, set_beside
from orchestrator.kernel.training.kept_state.objects.places import PLACE, of_this_session, restored_place
from orchestrator.kernel.training.kept_state.objects.program import code_name, find_class, find_code
from orchestrator.kernel.training.kept_state.objects.protocols import build_object, load_object, protocol_of
from orchestrator.kernel.training.kept_state.rules.recording import recorder_of
from orchestrator.kernel.training.kept_state.rules.registry import replays, rule_name, rule_of
from orchestrator.kernel.training.kept_state.rules.tables import tables_of
from orchestrator.kernel.training.kept_state.value_decoder import ValueDecoder


class Decoder(ValueDecoder):
    """Restores values and objects; one decoder restores all parts of a checkpoint, so that it knows what they share."""

    def attributes(self, owner: Any, tree: list[list[Any]]) -> None:
        """Set the attributes of an object; attributes that the tree lacks are removed.

        Raises:
            ValueError: The tree does not fit the object.
        """
        now, tables = dict(attributes_of(owner)), tables_of(owner)
        values = {}
        for name, node in tree:
            if isinstance(node, dict) and node["is"] == "table":
                if tables is None or tables.built(name) != node["digest"]:
                    raise ValueError(f"the table {name!r} of {type(owner).__name__} is not the checkpoint's")
                values[name] = tables.restored(name, now.get(name))
            else:
                values[name] = of_this_session(owner, name, now.get(name), self.decode(node, now.get(name)))
        unknown = {name for name, node in tree if name not in now and _is_unknown(node)}
        set_attributes(owner, {name: value for name, value in values.items() if name not in unknown})

    def instance(self, owner: Any, node: Any) -> None:
        """Set the attributes of an object, after what its rule has saved beside them.

        Raises:
            ValueError: The node does not fit the object.
        """
        if "beside" in node and not is_lost(node["beside"]):
            rule, recorder = self._rule(owner, node), recorder_of(owner)
            saved = self.decode(node["beside"])
            if not replays(rule):
                rule.load(owner, saved)
            elif recorder is None:
                raise ValueError(f"the steps of {type(owner).__name__} are not recorded in this process")
            else:
                recorder.replay(saved)
        self.attributes(owner, node["of"])

    def _unnumbered(self, node: Any, kind: str, current: Any) -> Any:
        if kind == PLACE:
            return restored_place(node, current)
        if kind == "code":
            return find_code(node["name"], current)
        if kind == "enum":
            members = find_class(node["class"], current)
            return members[node["name"]] if "name" in node else members(node["value"])
        if kind == "method":
            return self._method(node, current)
        return self._partial(node, current) if kind == "partial" else super()._unnumbered(node, kind, current)

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
        if kind == "object":
            return self._object(node, current, number)
        if kind == "instance":
            kind_now = find_class(node["class"], current)
            made = current if type(current) is kind_now else empty_object(kind_now)
            self._made[number] = made
            self.instance(made, node)
            return made
        if kind == "function":
            return self._function(node, current, number)
        return super()._numbered(node, kind, current, number)

    def _object(self, node: Any, current: Any, number: int) -> Any:
        if node["by"].startswith("rule "):
            return self._by_rule(node, current, number)
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

    def _by_rule(self, node: Any, current: Any, number: int) -> Any:
        if current is None:
            raise ValueError(f"the checkpoint holds an object of {node['class']}, the script has none at this place")
        rule = self._rule(current, {"by": node["by"].removeprefix("rule ")})
        self._made[number] = current
        rule.load(current, self.decode(node["of"], None))
        return current

    def _rule(self, value: Any, node: Any) -> Any:
        rule = rule_of(value)
        if rule is None or rule_name(rule) != node["by"]:
            raise ValueError(f"the environment rule {node['by']} is missing; add it before the state is restored")
        return rule

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


def is_lost(node: Any) -> bool:
    """Whether a node stands for a value that could not be kept."""
    return isinstance(node, dict) and node.get("is") == "lost"


def _is_unknown(node: Any) -> bool:
    return isinstance(node, dict) and node["is"] in ("lost", "fresh")
