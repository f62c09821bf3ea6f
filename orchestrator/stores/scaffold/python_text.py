"""Writes values as Python: literals, classes with their imports, and calls, in lines of at most 100 characters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.core.zoo.classes import ClassName
from orchestrator.core.zoo.entry import ClassCall, Linear

_WIDTH = 100
_INDENT = "    "
_AS_MODULE = {"torch.nn": "nn", "torch.optim": "optim"}
"""Modules of which a script uses several classes: imported themselves, under their usual names."""


class PythonText:
    """The text of a script that grows, and what it imports."""

    def __init__(self, taken: frozenset[str]) -> None:
        """Start without imports.

        Args:
            taken: Names that the script uses itself.
        """
        self._imported: dict[str, tuple[str, str]] = {}
        self._taken = taken
        self.uses_linear = False

    def class_(self, module: str, name: str) -> str:
        """The name of a class in the script; imports it."""
        if module in _AS_MODULE:
            return f"{self.class_('torch', _AS_MODULE[module])}.{name}"
        number, alias = 1, name
        while alias in self._taken or self._imported.get(alias, (module, name)) != (module, name):
            number, alias = number + 1, f"{name}_{number + 1}"
        self._imported[alias] = (module, name)
        return alias

    def import_lines(self) -> list[str]:
        """The imports `from module import name`, sorted."""
        by_module: dict[str, list[str]] = {}
        for alias, (module, name) in sorted(self._imported.items()):
            by_module.setdefault(module, []).append(name if alias == name else f"{name} as {alias}")
        return [f"from {module} import {', '.join(names)}" for module, names in sorted(by_module.items())]

    def value(self, value: Any, indent: int = 0) -> str:
        """A value as an expression."""
        if isinstance(value, Linear):
            self.uses_linear = True
            return f"linear({value.start!r})"
        if isinstance(value, ClassName | ClassCall):
            return self.class_(value.module, value.name)
        if isinstance(value, Text):
            return str(value)
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        if type(value) is int:
            return f"{value:_}"
        if isinstance(value, Mapping):
            parts = [
                f"{json.dumps(key, ensure_ascii=False)}: {self.value(one, indent + 1)}" for key, one in value.items()
            ]
            return joined("{", parts, "}", indent)
        if isinstance(value, list | tuple):
            parts = [self.value(one, indent + 1) for one in value]
            opened, closed = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(parts) == 1 else ")")
            return joined(opened, parts, closed, indent)
        return repr(value)

    def call(self, function: str, given: list[str], named: Mapping[str, Any], indent: int = 0) -> str:
        """A call.

        Args:
            function: What is called, as text.
            given: Arguments without a name, as text.
            named: Arguments with a name, as values.
            indent: Levels of the line on which the call begins.
        """
        parts = [*given, *(f"{name}={self.value(value, indent + 1)}" for name, value in named.items())]
        return joined(f"{function}(", parts, ")", indent)


class Text(str):
    """A value that is Python already."""

    __slots__ = ()


def joined(opened: str, parts: list[str], closed: str, indent: int) -> str:
    """Parts between brackets: on one line if they fit, else one on each line."""
    line = f"{opened}{', '.join(parts)}{closed}"
    if len(line) + len(_INDENT) * indent <= _WIDTH and "\n" not in line:
        return line
    inside, outside = _INDENT * (indent + 1), _INDENT * indent
    return "\n".join([opened, *(f"{inside}{part}," for part in parts), f"{outside}{closed.lstrip(',')}"])
