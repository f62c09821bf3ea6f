"""Compares a part as it was saved with the same part as it is captured again after a restore."""

from __future__ import annotations

from typing import Any


def same_part(node: Any, buffers: list[bytes], saved: Any, saved_buffers: list[bytes]) -> bool:
    """Whether two encoded parts are equal; their buffers have other numbers."""
    if isinstance(saved, dict) and saved.get("is") == "fresh":  # each process has its own
        return True
    if isinstance(node, dict) and isinstance(saved, dict):
        if node.keys() != saved.keys():
            return False
        pairs = ((key, node[key], saved[key]) for key in node)
        return all(
            buffers[one] == saved_buffers[other] if key == "buffer" else same_part(one, buffers, other, saved_buffers)
            for key, one, other in pairs
        )
    if isinstance(node, list) and isinstance(saved, list):
        return len(node) == len(saved) and all(
            same_part(one, buffers, other, saved_buffers) for one, other in zip(node, saved, strict=True)
        )
    return type(node) is type(saved) and bool(node == saved)
