"""Reads how the name of a module begins where a program computes it."""

from __future__ import annotations

import ast

OWN_NAMES = frozenset({"__name__", "__package__"})
"""Variables with the name of the file's own module or package."""


def leading_text(node: ast.expr) -> str:
    """The beginning of a text that the program composes; empty where it is not written in the file."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        text = ""
        for one in node.values:
            part = leading_text(one.value if isinstance(one, ast.FormattedValue) else one)
            text += part
            if not part or (isinstance(one, ast.FormattedValue) and part not in OWN_NAMES):
                break
        return text
    if isinstance(node, ast.BinOp):
        left = leading_text(node.left)
        if isinstance(node.op, ast.Mod):
            return left.partition("%")[0]
        whole = left in OWN_NAMES or isinstance(node.left, ast.Constant)
        return left + (leading_text(node.right) if whole else "")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return leading_text(node.func.value).partition("{")[0]
    return last_name(node) if last_name(node) in OWN_NAMES else ""


def last_name(node: ast.expr | None) -> str:
    """Last part of a dotted name; empty for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
