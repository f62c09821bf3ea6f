"""Records as the text of a row, and back; and those of them that need not be read again."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Generic

from orchestrator.core.ledger.records import Record, RunRecord, SessionRecord, Stage

_MOST = 4096
"""When so many rows are kept, all are forgotten."""

# Made once: `json.dumps` would make one for every text.
dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


def plain_row(record: RunRecord | SessionRecord) -> dict[str, Any]:
    """A row's fields that are known; they hold plain JSON already, so none has to be copied."""
    plain = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: value for name, value in plain if value is not None}


def run_of(row: str) -> RunRecord:
    """The run of a row."""
    plain = json.loads(row)
    plain["walks"] = tuple((steps, after) for steps, after in plain.get("walks", ()))
    return RunRecord(**plain)


def session_of(row: str, planned: str) -> SessionRecord:
    """The session of a row and of the body of the event that planned it, which holds its ticket."""
    plain = json.loads(row)
    plain["stage"], plain["ticket"] = Stage(plain["stage"]), json.loads(planned)["ticket"]
    for name in ("problems", "restored", "resume_reasons", "lacking"):
        plain[name] = tuple(plain.get(name, ()))
    plain["curve"] = tuple((steps, score) for steps, score in plain.get("curve", ()))
    return SessionRecord(**plain)


class Kept(Generic[Record]):
    """Rows that were just written or read: a run asks for the same ones many times.

    True as long as no other program has written since and no transaction was undone. Beside a record stands the text
    of its row: rows that are asked for together may be newer than what is kept.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[str, Record]] = {}
        self._by_lineage: dict[str, list[Record]] = {}

    def get(self, name: str) -> Record | None:
        """The row of that id or key."""
        known = self._by_name.get(name)
        return known[1] if known is not None else None

    def of_row(self, name: str, row: str) -> Record | None:
        """What the text of a row says, if it is known."""
        known = self._by_name.get(name)
        return known[1] if known is not None and known[0] == row else None

    def put(self, name: str, row: str, record: Record) -> Record:
        """Keep what the text of a row says."""
        if len(self._by_name) >= _MOST and name not in self._by_name:
            self._by_name.clear()
        self._by_name[name] = row, record
        return record

    def changed(self, name: str, row: str, record: Record) -> None:
        """Keep a row that says something new."""
        self.put(name, row, record)
        self._by_lineage.pop(record.lineage_id, None)

    def of_lineage(self, lineage_id: str) -> list[Record] | None:
        """All rows of a lineage, oldest first."""
        return self._by_lineage.get(lineage_id)

    def put_lineage(self, lineage_id: str, records: list[Record]) -> list[Record]:
        """Keep all rows of a lineage."""
        if len(self._by_lineage) >= _MOST:
            self._by_lineage.clear()
        self._by_lineage[lineage_id] = records
        return records

    def clear(self) -> None:
        """Keep nothing."""
        self._by_name.clear()
        self._by_lineage.clear()
