"""Which variables a loop reads, and which of them one pass leaves to the next."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from orchestrator.core.proof.syntax import base, roots

_CHANGING = frozenset({"append", "add", "extend", "update", "pop", "popleft", "appendleft", "remove", "insert"})


def loop_variables(loops: Iterable[ast.For | ast.While]) -> tuple[set[str], set[str]]:
    """Names that the loops read, and names whose value a pass leaves to the next one."""
    read: set[str] = set()
    carried: set[str] = set()
    for loop in loops:
        own = roots(loop.target) if isinstance(loop, ast.For) else set()
        assigned_first: set[str] = set()
        seen: set[str] = set()
        for name, kind in _events(loop.body):
            if name in own:
                continue
            if kind == "read":
                read.add(name)
            elif kind == "change":
                if name not in assigned_first:
                    carried.add(name)
            elif name in seen and name not in assigned_first:
                carried.add(name)
            elif name not in seen:
                assigned_first.add(name)
            seen.add(name)
    return read, carried


def _events(body: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """`read`, `assign` or `change` (in place) of plain names, in the order of execution, as far as it is visible."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            yield from _of_assignment(node)
        elif isinstance(node, ast.Name):
            yield node.id, "read" if isinstance(node.ctx, ast.Load) else "assign"
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from _of_change(node)
        else:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
                yield from _of_change(node.func)
            yield from _events(ast.iter_child_nodes(node))


def _of_assignment(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Iterator[tuple[str, str]]:
    yield from _events(() if node.value is None else (node.value,))
    if isinstance(node, ast.AugAssign):
        yield from _of_change(node.target)
    else:
        yield from _events(node.targets if isinstance(node, ast.Assign) else (node.target,))


def _of_change(node: ast.AST) -> Iterator[tuple[str, str]]:
    root = base(node)
    if isinstance(root, ast.Name):
        yield root.id, "read"
        yield root.id, "change"
