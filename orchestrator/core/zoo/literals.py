"""Reads the Python literals of RL Zoo files, such as `dict(net_arch=[64, 64], activation_fn=nn.ReLU)`.

RL Zoo itself evaluates these texts as Python. Here they are parsed, and only this is built: numbers, texts, True,
False, None, lists, tuples, dicts, calls of `dict`, `list` and `tuple`, and names of known classes.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.core.zoo.classes import CLASSES, nearest_class

MOST_CHARS = 10_000
MOST_LEVELS = 20
"""Limits of a text. Those of RL Zoo have some 200 characters and four levels."""

_BUILDS = ("dict", "list", "tuple")


class LiteralFault(ValueError):
    """A text that is no such literal; the message names the place in it."""


def read_literal(text: str) -> Any:
    """The value of a text; a class becomes its `ClassName`.

    Raises:
        LiteralFault: It is no Python expression, too long, too deep, or holds anything but literals.
    """
    if len(text) > MOST_CHARS:
        raise LiteralFault(f"the text has {len(text)} characters, at most {MOST_CHARS} are read")
    plain = text.strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the user's text
            tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError) as fault:
        place = f" at character {fault.offset}" if isinstance(fault, SyntaxError) and fault.offset else ""
        raise LiteralFault(f"no Python literal{place}: {getattr(fault, 'msg', fault)}") from fault
    except (RecursionError, MemoryError) as fault:  # the parser's own limit
        raise LiteralFault(f"nested more than {MOST_LEVELS} deep") from fault
    return _Reader(plain).value(tree.body, 0)


class _Reader:
    """Builds the value of a parsed text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, node: ast.expr, level: int) -> Any:
        """The value of a node."""
        if level > MOST_LEVELS:
            raise self._refused(node, f"nested more than {MOST_LEVELS} deep")
        read = _KINDS.get(type(node))
        if read is None:
            raise self._refused(node, f"{self._shown(node)} is not allowed: only literals are read, nothing is run")
        return read(self, node, level)

    def constant(self, node: ast.Constant, level: int) -> Any:
        """A number, a text, True, False or None."""
        if node.value is not None and type(node.value) not in (bool, int, float, str):
            raise self._refused(node, f"{self._shown(node)} is no number and no text")
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise self._refused(node, f"{self._shown(node)} is too large for a number")
        return node.value

    def signed(self, node: ast.UnaryOp, level: int) -> Any:
        """A number with a sign."""
        inner = self.value(node.operand, level + 1)
        if not isinstance(node.op, ast.USub | ast.UAdd) or type(inner) not in (int, float):
            raise self._refused(node, f"{self._shown(node)} is no number")
        return -inner if isinstance(node.op, ast.USub) else inner

    def items(self, node: ast.List | ast.Tuple, level: int) -> Any:
        """A list or a tuple."""
        values = [self.value(one, level + 1) for one in node.elts]
        return tuple(values) if isinstance(node, ast.Tuple) else values

    def mapping(self, node: ast.Dict, level: int) -> dict[str, Any]:
        """A mapping in braces."""
        found: dict[str, Any] = {}
        for key, one in zip(node.keys, node.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                raise self._refused(key or one, "a key must be a text in quotes")
            self._put(found, key.value, self.value(one, level + 1), key)
        return found

    def call(self, node: ast.Call, level: int) -> Any:
        """A call of `dict`, `list` or `tuple`."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _BUILDS:
            raise self._refused(node, f"{self._shown(node.func)}(...) is not allowed: only {', '.join(_BUILDS)} are")
        if len(node.args) > 1 or (node.keywords and name != "dict"):
            more = " and name=value" if name == "dict" else ""
            raise self._refused(node, f"{name}(...) takes one value{more}")
        given = [self.value(one, level + 1) for one in node.args]
        if name != "dict":
            if given and not isinstance(given[0], list | tuple):
                raise self._refused(node, f"{name}(...) takes a list")
            return (list if name == "list" else tuple)(*given)
        if given and not isinstance(given[0], dict):
            raise self._refused(node, "dict(...) takes name=value, or one mapping in braces")
        found: dict[str, Any] = {}
        for key, value in given[0].items() if given else ():
            self._put(found, key, value, node)
        for word in node.keywords:
            if word.arg is None:
                raise self._refused(word.value, "** is not allowed: write name=value")
            self._put(found, word.arg, self.value(word.value, level + 1), word.value)
        return found

    def name(self, node: ast.Name | ast.Attribute, level: int) -> Any:
        """A known class."""
        text = _dotted(node)
        if text not in CLASSES:
            near = nearest_class(text)
            hint = f"did you mean {near}?" if near else "known are torch's activations and optimizers, as nn.ReLU"
            raise self._refused(node, f"the name {self._shown(node)} is not known; {hint}")
        return CLASSES[text]

    def _put(self, found: dict[str, Any], key: str, value: Any, node: ast.expr) -> None:
        if key in found:
            raise self._refused(node, f"{key} is given twice")
        found[key] = value

    def _shown(self, node: ast.expr) -> str:
        text = " ".join((ast.get_source_segment(self._text, node) or type(node).__name__).split())
        return text if len(text) <= 40 else f"{text[:37]}..."

    def _refused(self, node: ast.expr, why: str) -> LiteralFault:
        lines = self._text.splitlines()[: node.lineno - 1]
        return LiteralFault(f"{why} (character {sum(len(line) + 1 for line in lines) + node.col_offset + 1})")


def _dotted(node: ast.expr) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


_KINDS: Mapping[type[ast.expr], Callable[[_Reader, Any, int], Any]] = {
    ast.Constant: _Reader.constant,
    ast.UnaryOp: _Reader.signed,
    ast.List: _Reader.items,
    ast.Tuple: _Reader.items,
    ast.Dict: _Reader.mapping,
    ast.Call: _Reader.call,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.name,
}
