"""Reads the record of a pack: how each of its sessions ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.kernel.reading.json_text import Unreadable, read_json, read_object
from orchestrator.kernel.reading.shapes import fields, mapping, optional, require, whole
from orchestrator.kernel.wire import PACK_NAME, member_folder

_RECORD = fields(
    {"members": mapping(fields({"exit_code": optional(whole(-(2**31), 2**32))}, others=True))}, others=True
)


def exit_code_in_pack(path: Path, member: int) -> int | None:
    """Exit code of one session of a pack; None if the record is missing or damaged, or has none.

    Args:
        path: The record.
        member: Number of the session.
    """
    try:
        return _code_in(read_object(path), path.name, member)
    except Unreadable:
        return None


def exit_code_in_bytes(content: bytes, member: int) -> int | None:
    """As `exit_code_in_pack`, of the content of a record."""
    try:
        return _code_in(read_json(content, PACK_NAME), PACK_NAME, member)
    except Unreadable:
        return None


def _code_in(record: Any, source: str, member: int) -> int | None:
    require(_RECORD, record, source)
    code: int | None = record["members"].get(member_folder(member), {}).get("exit_code")
    return code
