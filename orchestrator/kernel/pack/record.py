"""Reads the record of a pack: how each of its sessions ended."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.reading.shapes import fields, mapping, optional, require, whole
from orchestrator.kernel.wire import member_folder

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
        record = read_object(path)
        require(_RECORD, record, path.name)
    except Unreadable:
        return None
    code: int | None = record["members"].get(member_folder(member), {}).get("exit_code")
    return code
