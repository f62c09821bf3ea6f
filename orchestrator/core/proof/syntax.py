"""Small questions about the syntax tree of a Python file."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator


def assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr, ast.stmt]]:
    """Name, value and statement of each assignment to a plain name; `a, b = x, y` gives two."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from ((name, value, node) for name, value in _pairs(target, node.value))
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value and isinstance(node.target, ast.Name):
            yield node.target.id, node.value, node


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        several = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        for index, one in enumerate(target.elts):
            yield from _pairs(one, value.elts[index] if several and isinstance(value, ast.Tuple | ast.List) else value)


def is_steps(node: ast.expr) -> bool:
    """Whether an expression calls a method `steps`."""
    return any(isinstance(one, ast.Call) and last(one.func) == "steps" for one in ast.walk(node))


def is_set(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is a set, as far as its text shows.

    Args:
        node: The expression.
        names: Variables that hold sets.
    """
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.BinOp):
        return is_set(node.left, names) or is_set(node.right, names)
    if isinstance(node, ast.Call):
        return dotted(node.func) in ("set", "frozenset")
    return isinstance(node, ast.Name) and node.id in names


def roots(node: ast.expr) -> set[str]:
    """All names in an expression."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def root(node: ast.AST) -> str:
    """The variable of `variable.a.b[0]`, empty if there is none."""
    found = base(node)
    return found.id if isinstance(found, ast.Name) else ""


def base(node: ast.AST) -> ast.AST:
    """An expression without its attributes and subscripts."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node


def last(node: ast.expr) -> str:
    """Last name of `a.b.c`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; what is not a name becomes `?`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(parts))
