"""Absolute paths in attributes: they name a place of this machine and this session, so a resume keeps the new one."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

PLACE = "place"
"""Kind of an encoded absolute path."""


def place_of(value: Any) -> dict[str, Any] | None:
    """The JSON form of an absolute path in a folder that exists, None for other values."""
    if not isinstance(value, str | PurePath) or (isinstance(value, str) and len(value) > 4096):
        return None
    try:
        path = Path(value)
        found = path.is_absolute() and path.parent != path and path.parent.is_dir()
    except (ValueError, OSError):  # a NUL in it, or a folder that may not be read
        return None
    return {"is": PLACE, "text": str(value)} if found else None


def restored_place(node: dict[str, Any], current: Any) -> Any:
    """The path that the new process has; without one, that of the checkpoint."""
    return current if isinstance(current, str | PurePath) else node["text"]


def is_place(node: Any) -> bool:
    """Whether an encoded value is an absolute path."""
    return isinstance(node, dict) and node.get("is") == PLACE


def without_places(node: Any) -> Any:
    """An encoded value without its absolute paths, for comparisons of two trainings."""
    if is_place(node):
        return PLACE
    if isinstance(node, dict):
        return {key: without_places(item) for key, item in node.items()}
    return [without_places(item) for item in node] if isinstance(node, list) else node
